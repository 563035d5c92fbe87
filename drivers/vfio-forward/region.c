// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers: described, read and written by system calls, mapped.
 */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

#define OFFSET_MASK	(BIT_ULL(VFIO_FORWARD_OFFSET_SHIFT) - 1)

int vfio_forward_regions_init(struct vfio_forward_device *device)
{
	struct device *dev = device->core.dev;
	struct vfio_forward_region *region;
	const struct resource *resource;
	unsigned int count = 0;

	while (device->bus->memory(dev, count))
		count++;

	device->regions = kcalloc(count, sizeof(*region), GFP_KERNEL);
	if (!device->regions)
		return -ENOMEM;

	for (; device->num_regions < count; device->num_regions++) {
		region = &device->regions[device->num_regions];
		resource = device->bus->memory(dev, device->num_regions);
		region->start = resource->start;
		region->size = resource_size(resource);
		region->flags = VFIO_REGION_INFO_FLAG_READ;
		if (!(resource->flags & IORESOURCE_READONLY))
			region->flags |= VFIO_REGION_INFO_FLAG_WRITE;
		/* A page that holds something else too is nobody's to map. */
		if (region->size && PAGE_ALIGNED(region->start) &&
		    PAGE_ALIGNED(region->size))
			region->flags |= VFIO_REGION_INFO_FLAG_MMAP;
	}
	return 0;
}

void vfio_forward_regions_release(struct vfio_forward_device *device)
{
	kfree(device->regions);
}

void vfio_forward_regions_close(struct vfio_forward_device *device)
{
	struct vfio_forward_region *region = device->regions;
	unsigned int index;

	for (index = 0; index < device->num_regions; index++, region++) {
		if (region->io)
			iounmap(region->io);
		region->io = NULL;
	}
}

long vfio_forward_region_info(struct vfio_forward_device *device,
			      void __user *argument)
{
	const size_t size = offsetofend(struct vfio_region_info, offset);
	const struct vfio_forward_region *region;
	struct vfio_region_info info;

	if (copy_from_user(&info, argument, size))
		return -EFAULT;
	if (info.argsz < size || info.index >= device->num_regions)
		return -EINVAL;

	region = &device->regions[info.index];
	info.flags = region->flags;
	info.cap_offset = 0;
	info.size = region->size;
	info.offset = (u64)info.index << VFIO_FORWARD_OFFSET_SHIFT;

	return copy_to_user(argument, &info, size) ? -EFAULT : 0;
}

static void __iomem *vfio_forward_io(struct vfio_forward_device *device,
				     struct vfio_forward_region *region)
{
	void __iomem *io;

	mutex_lock(&device->lock);
	if (!region->io)
		region->io = ioremap(region->start, region->size);
	io = region->io;
	mutex_unlock(&device->lock);
	return io;
}

/*
 * The region that an access is for, and its length cut to the region's end.
 * An error pointer otherwise.
 */
static struct vfio_forward_region *
vfio_forward_locate(struct vfio_forward_device *device, u64 position,
		    u32 access, size_t *count)
{
	u64 index = position >> VFIO_FORWARD_OFFSET_SHIFT;
	u64 offset = position & OFFSET_MASK;
	struct vfio_forward_region *region;

	if (index >= device->num_regions)
		return ERR_PTR(-EINVAL);
	region = &device->regions[index];
	if (!(region->flags & access) || offset >= region->size)
		return ERR_PTR(-EINVAL);
	if (!vfio_forward_registers_allowed(device))
		return ERR_PTR(-EACCES);

	*count = min_t(u64, *count, region->size - offset);
	return region;
}

/*
 * The size of the next access.  Eight bytes are accessed at once only when
 * exactly eight were asked for: many a bus answers a wider access than its
 * registers with an abort, and a long transfer says nothing of their width.
 */
static size_t vfio_forward_width(u64 offset, size_t left, size_t asked)
{
	if (asked == 8 && left == 8 && IS_ALIGNED(offset, 8))
		return 8;
	if (left >= 4 && IS_ALIGNED(offset, 4))
		return 4;
	if (left >= 2 && IS_ALIGNED(offset, 2))
		return 2;
	return 1;
}

static int vfio_forward_load(const void __iomem *io, char __user *buffer,
			     size_t width)
{
	union {
		u8 byte;
		u16 half;
		u32 word;
		u64 twin;
	} value;

	switch (width) {
	case 8:
		value.twin = readq(io);
		break;
	case 4:
		value.word = readl(io);
		break;
	case 2:
		value.half = readw(io);
		break;
	default:
		value.byte = readb(io);
	}
	return copy_to_user(buffer, &value, width) ? -EFAULT : 0;
}

static int vfio_forward_store(void __iomem *io, const char __user *buffer,
			      size_t width)
{
	union {
		u8 byte;
		u16 half;
		u32 word;
		u64 twin;
	} value;

	if (copy_from_user(&value, buffer, width))
		return -EFAULT;

	switch (width) {
	case 8:
		writeq(value.twin, io);
		break;
	case 4:
		writel(value.word, io);
		break;
	case 2:
		writew(value.half, io);
		break;
	default:
		writeb(value.byte, io);
	}
	return 0;
}

/* Reads to, or writes from, the user's buffer, as `access` says. */
static ssize_t vfio_forward_transfer(struct vfio_device *core,
				     char __user *buffer, size_t count,
				     loff_t *position, u32 access)
{
	struct vfio_forward_device *device = vfio_forward_of(core);
	bool reads = access == VFIO_REGION_INFO_FLAG_READ;
	struct vfio_forward_region *region;
	const size_t asked = count;
	size_t done, width;
	void __iomem *io;
	u64 offset;
	int ret = 0;

	region = vfio_forward_locate(device, *position, access, &count);
	if (IS_ERR(region))
		return PTR_ERR(region);
	io = vfio_forward_io(device, region);
	if (!io)
		return -ENOMEM;

	offset = *position & OFFSET_MASK;
	for (done = 0; done < count; done += width, offset += width) {
		if (fatal_signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		width = vfio_forward_width(offset, count - done, asked);
		if (reads)
			ret = vfio_forward_load(io + offset, buffer + done,
						width);
		else
			ret = vfio_forward_store(io + offset, buffer + done,
						 width);
		if (ret)
			break;
		cond_resched();
	}

	*position += done;
	return done ? done : ret;
}

ssize_t vfio_forward_read(struct vfio_device *core, char __user *buffer,
			  size_t count, loff_t *position)
{
	return vfio_forward_transfer(core, buffer, count, position,
				     VFIO_REGION_INFO_FLAG_READ);
}

ssize_t vfio_forward_write(struct vfio_device *core, const char __user *buffer,
			   size_t count, loff_t *position)
{
	/* Only read from, with this access. */
	return vfio_forward_transfer(core, (char __user *)buffer, count,
				     position, VFIO_REGION_INFO_FLAG_WRITE);
}

/*
 * The mapping is complete at once: neither the user nor a guest faults on its
 * registers later.  It holds a reference on the device file, so the device is
 * open, and powered, for as long as it exists.
 */
int vfio_forward_mmap(struct vfio_device *core, struct vm_area_struct *vma)
{
	struct vfio_forward_device *device = vfio_forward_of(core);
	u64 start = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 index = start >> VFIO_FORWARD_OFFSET_SHIFT;
	u64 offset = start & OFFSET_MASK;
	u64 size = vma->vm_end - vma->vm_start;
	const struct vfio_forward_region *region;

	if (index >= device->num_regions)
		return -EINVAL;
	region = &device->regions[index];

	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP) ||
	    offset >= region->size || size > region->size - offset)
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	if (!(region->flags & VFIO_REGION_INFO_FLAG_WRITE) &&
	    vma->vm_flags & VM_WRITE)
		return -EINVAL;
	if (!vfio_forward_registers_allowed(device))
		return -EACCES;

	/* What is refused here must not be had from mprotect() later. */
	vma->vm_flags &= ~VM_MAYEXEC;
	if (!(region->flags & VFIO_REGION_INFO_FLAG_WRITE))
		vma->vm_flags &= ~VM_MAYWRITE;

	vma->vm_page_prot = pgprot_device(vma->vm_page_prot);
	return io_remap_pfn_range(vma, vma->vm_start,
				  PHYS_PFN(region->start + offset), size,
				  vma->vm_page_prot);
}
