// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct DMA: memory for a device that sees physical addresses.
 *
 * Every page is held twice.  VFIO's pin keeps it where it is and counts it
 * against the user's limit; VFIO wants it back when the user unmaps the memory.
 * A reference of our own keeps it from being used for anything else until the
 * device is closed and silent, whatever the user does to its container before
 * that.  For this reason nothing need be taken from the user who unmaps:
 * what the device still writes, it writes into pages that nobody else has.
 *
 * memory->lock is taken inside VFIO's device list lock (by dma_unmap) and
 * outside its iommu lock and the mm's mmap_lock (by pinning).  The mmap and
 * access paths therefore read the state without it.
 */
#include <linux/io.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

void vfio_forward_direct_init(struct vfio_forward_device *device)
{
	mutex_init(&device->memory.lock);
}

/*
 * For clients of the standard ABI, which do not know of DIRECT.  Nothing then
 * checks that their memory is where the device will look for it, and nothing
 * holds it for the device when they die.
 */
static bool direct_unverified;
module_param(direct_unverified, bool, 0644);
MODULE_PARM_DESC(direct_unverified,
		 "Registers without DIRECT: nobody verifies or holds memory");

bool vfio_forward_registers_allowed(struct vfio_forward_device *device)
{
	u32 state = READ_ONCE(device->memory.state);

	return !device->direct || state == VFIO_FORWARD_DIRECT_HELD ||
	       (state == VFIO_FORWARD_DIRECT_NONE &&
		READ_ONCE(direct_unverified));
}

/*
 * How many bytes of a range, from this address on, one pin stands for.
 *
 * A hugetlb page is mapped whole, by entries that are made and changed
 * together, and it is contiguous: a user address inside it fixes all the others,
 * and their physical addresses.  A VMA cannot be split inside it, a write
 * fault makes all of it the user's own, and it is neither split nor freed while
 * we hold a reference.  So the first page's pin and check hold for the rest of
 * it, and 1 GiB costs one call.  Of any other page nothing of the kind can be
 * said and each is taken by itself.
 */
static u64 vfio_forward_step(struct page *page, u64 address, u64 end)
{
	struct folio *folio = page_folio(page);
	u64 step = PAGE_SIZE;

	if (folio_test_hugetlb(folio))
		step = page_to_phys(&folio->page) + folio_size(folio) - address;
	return min(step, end - address);
}

/* Physical and container address are equal: the address finds the page. */
static void vfio_forward_put_range(struct vfio_forward_device *device,
				   u64 address, u64 end, bool unpin, bool put)
{
	struct page *page;
	u64 step;

	for (; address < end; address += step) {
		page = pfn_to_page(PHYS_PFN(address));
		step = vfio_forward_step(page, address, end);
		if (unpin)
			vfio_unpin_pages(&device->core, address, 1);
		if (put)
			put_page(page);
		cond_resched();
	}
}

static void vfio_forward_put_memory(struct vfio_forward_device *device,
				    bool unpin, bool put)
{
	struct vfio_forward_memory *memory = &device->memory;
	const struct vfio_forward_direct_range *range = memory->ranges;
	u32 index;

	for (index = 0; index < memory->count; index++, range++)
		vfio_forward_put_range(device, range->iova,
				       range->iova + range->size, unpin, put);
}

/* Takes the page at this address; returns how many bytes that gives. */
static s64 vfio_forward_hold_page(struct vfio_forward_device *device,
				  u64 address, u64 end)
{
	struct page *page;
	int ret;

	ret = vfio_pin_pages(&device->core, address, 1,
			     IOMMU_READ | IOMMU_WRITE, &page);
	if (ret < 0)
		return ret;

	if (page_to_phys(page) != address) {
		vfio_unpin_pages(&device->core, address, 1);
		return -EXDEV;
	}
	get_page(page);
	return vfio_forward_step(page, address, end);
}

static int vfio_forward_hold_range(struct vfio_forward_device *device,
				   const struct vfio_forward_direct_range *range)
{
	u64 end = range->iova + range->size;
	u64 address = range->iova;
	s64 step;

	while (address < end) {
		step = fatal_signal_pending(current) ? -EINTR :
		       vfio_forward_hold_page(device, address, end);
		if (step < 0) {
			vfio_forward_put_range(device, range->iova, address,
					       true, true);
			return step;
		}
		address += step;
		cond_resched();
	}
	return 0;
}

static int vfio_forward_check_ranges(const struct vfio_forward_direct_range *range,
				     u32 count)
{
	u32 index, other;
	u64 end;

	for (index = 0; index < count; index++) {
		if (!range[index].size ||
		    !PAGE_ALIGNED(range[index].iova | range[index].size) ||
		    check_add_overflow(range[index].iova, range[index].size, &end))
			return -EINVAL;
		for (other = 0; other < index; other++)
			if (range[other].iova < end &&
			    range[index].iova < range[other].iova + range[other].size)
				return -EINVAL;
	}
	return 0;
}

/* Takes over the ranges when it succeeds. */
static int vfio_forward_hold(struct vfio_forward_device *device,
			     struct vfio_forward_direct_range *ranges, u32 count)
{
	struct vfio_forward_memory *memory = &device->memory;
	u32 held;
	int ret = 0;

	if (mutex_lock_killable(&memory->lock))
		return -EINTR;
	if (memory->state != VFIO_FORWARD_DIRECT_NONE) {
		ret = -EBUSY;
		goto unlock;
	}

	memory->attempted = true;
	memory->ranges = ranges;
	memory->bytes = 0;
	for (held = 0; held < count; held++) {
		ret = vfio_forward_hold_range(device, &ranges[held]);
		if (ret)
			break;
		memory->bytes += ranges[held].size;
	}
	memory->count = held;

	if (ret) {
		vfio_forward_put_memory(device, true, true);
		memory->ranges = NULL;
		memory->count = 0;
		memory->bytes = 0;
		goto unlock;
	}
	WRITE_ONCE(memory->state, VFIO_FORWARD_DIRECT_HELD);
unlock:
	mutex_unlock(&memory->lock);
	return ret;
}

static int vfio_forward_direct_set(struct vfio_forward_device *device,
				   void __user *argument, size_t size)
{
	struct vfio_forward_direct_range *ranges;
	struct vfio_forward_direct head;
	int ret;

	if (copy_from_user(&head, argument, sizeof(head)))
		return -EFAULT;
	if (head.flags || head.state || head.reserved || head.bytes)
		return -EINVAL;
	if (head.count > VFIO_FORWARD_DIRECT_MAX)
		return -E2BIG;
	if (size - sizeof(head) < head.count * sizeof(*ranges))
		return -EINVAL;

	ranges = memdup_user(argument + sizeof(head),
			     head.count * sizeof(*ranges));
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);

	ret = vfio_forward_check_ranges(ranges, head.count);
	if (!ret)
		ret = vfio_forward_hold(device, ranges, head.count);
	if (ret)
		kfree(ranges);
	return ret;
}

static int vfio_forward_direct_get(struct vfio_forward_device *device,
				   void __user *argument)
{
	struct vfio_forward_memory *memory = &device->memory;
	struct vfio_forward_direct head = { };

	if (mutex_lock_killable(&memory->lock))
		return -EINTR;
	head.state = memory->state;
	head.count = memory->count;
	head.bytes = memory->bytes;
	mutex_unlock(&memory->lock);

	return copy_to_user(argument, &head, sizeof(head)) ? -EFAULT : 0;
}

int vfio_forward_direct(struct vfio_forward_device *device, u32 flags,
			void __user *argument, size_t size)
{
	int ret;

	if (!device->direct)
		return -ENOTTY;

	ret = vfio_check_feature(flags, size,
				 VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
				 sizeof(struct vfio_forward_direct));
	if (ret != 1)
		return ret;
	if (flags & VFIO_DEVICE_FEATURE_SET)
		return vfio_forward_direct_set(device, argument, size);
	return vfio_forward_direct_get(device, argument);
}

static bool vfio_forward_overlaps(const struct vfio_forward_memory *memory,
				  u64 iova, u64 length)
{
	const struct vfio_forward_direct_range *range = memory->ranges;
	u32 index;

	for (index = 0; index < memory->count; index++, range++)
		if (range->iova - iova < length ||
		    iova - range->iova < range->size)
			return true;
	return false;
}

/*
 * The user unmaps memory in which somebody has pinned pages.  VFIO calls this
 * until no pin is left and takes the tenth call in vain for a fatal error, so
 * a SET that follows must not pin anything again, not even in order to fail.
 */
void vfio_forward_dma_unmap(struct vfio_device *core, u64 iova, u64 length)
{
	struct vfio_forward_device *device = vfio_forward_of(core);
	struct vfio_forward_memory *memory = &device->memory;

	mutex_lock(&memory->lock);
	if (memory->state == VFIO_FORWARD_DIRECT_HELD) {
		if (vfio_forward_overlaps(memory, iova, length)) {
			vfio_forward_put_memory(device, true, false);
			WRITE_ONCE(memory->state, VFIO_FORWARD_DIRECT_LOST);
		}
	} else if (memory->attempted) {
		WRITE_ONCE(memory->state, VFIO_FORWARD_DIRECT_LOST);
	}
	mutex_unlock(&memory->lock);
}

/* The device is silent, or as silent as it can be made. */
void vfio_forward_direct_close(struct vfio_forward_device *device)
{
	struct vfio_forward_memory *memory = &device->memory;

	mutex_lock(&memory->lock);
	vfio_forward_put_memory(device,
				memory->state == VFIO_FORWARD_DIRECT_HELD, true);
	kfree(memory->ranges);
	memory->ranges = NULL;
	memory->count = 0;
	memory->bytes = 0;
	memory->attempted = false;
	WRITE_ONCE(memory->state, VFIO_FORWARD_DIRECT_NONE);
	mutex_unlock(&memory->lock);
}
