// SPDX-License-Identifier: GPL-2.0-only
/*
 * What users ask of lines: VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_SET_IRQS, and
 * the feature COUNTERS.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

static int vfio_forward_mask_wakeup(void *opaque, void *unused)
{
	vfio_forward_mask(opaque);
	return 0;
}

/*
 * Returns 1 to be called again from a work queue.  A user may have bound one
 * eventfd to trigger and unmask.  Unmasked from within its own handler, a
 * line that stays asserted would never let the CPU go.
 */
static int vfio_forward_unmask_wakeup(void *opaque, void *unused)
{
	if (in_hardirq())
		return 1;
	vfio_forward_unmask(opaque);
	return 0;
}

static void vfio_forward_unmask_work(void *opaque, void *unused)
{
	vfio_forward_unmask(opaque);
}

static int vfio_forward_action_trigger(struct vfio_forward_device *device,
				       struct vfio_forward_line *line,
				       const struct vfio_irq_set *set,
				       const void *data)
{
	u32 type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;

	if (!set->count && type == VFIO_IRQ_SET_DATA_NONE)
		return vfio_forward_set_trigger(device, line, -1);
	if (set->count != 1)
		return -EINVAL;
	if (type == VFIO_IRQ_SET_DATA_EVENTFD)
		return vfio_forward_set_trigger(device, line, *(const s32 *)data);

	if (!line->trigger)
		return -EINVAL;
	if (type == VFIO_IRQ_SET_DATA_NONE || *(const u8 *)data)
		return vfio_forward_loopback(line);
	return 0;
}

/* The eventfd that masks the line, or the one that unmasks it; -1 ends it. */
static int vfio_forward_set_wakeup(struct vfio_forward_line *line, bool mask,
				   int fd)
{
	if (fd == -1) {
		vfio_virqfd_disable(mask ? &line->mask : &line->unmask);
		return 0;
	}
	if (mask)
		return vfio_virqfd_enable(line, vfio_forward_mask_wakeup, NULL,
					  NULL, &line->mask, fd);
	return vfio_virqfd_enable(line, vfio_forward_unmask_wakeup,
				  vfio_forward_unmask_work, NULL, &line->unmask,
				  fd);
}

static int vfio_forward_action_mask(struct vfio_forward_line *line, bool mask,
				    const struct vfio_irq_set *set,
				    const void *data)
{
	u32 type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;

	if (set->count != 1 || !(line->flags & VFIO_IRQ_INFO_MASKABLE))
		return -EINVAL;
	if (type == VFIO_IRQ_SET_DATA_EVENTFD)
		return vfio_forward_set_wakeup(line, mask, *(const s32 *)data);

	if (type == VFIO_IRQ_SET_DATA_BOOL && !*(const u8 *)data)
		return 0;
	if (mask)
		vfio_forward_mask(line);
	else
		vfio_forward_unmask(line);
	return 0;
}

long vfio_forward_set_irqs(struct vfio_forward_device *device,
			   void __user *argument)
{
	const size_t size = offsetofend(struct vfio_irq_set, count);
	struct vfio_forward_line *line;
	struct vfio_irq_set set;
	size_t data_size;
	void *data = NULL;
	int ret;

	if (copy_from_user(&set, argument, size))
		return -EFAULT;
	/* Each index has one interrupt. */
	ret = vfio_set_irqs_validate_and_prepare(&set, 1, device->num_lines,
						 &data_size);
	if (ret)
		return ret;
	line = &device->lines[set.index];

	if (data_size) {
		data = memdup_user(argument + size, data_size);
		if (IS_ERR(data))
			return PTR_ERR(data);
	}

	mutex_lock(&device->irq_lock);
	switch (set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		ret = vfio_forward_action_trigger(device, line, &set, data);
		break;
	case VFIO_IRQ_SET_ACTION_MASK:
		ret = vfio_forward_action_mask(line, true, &set, data);
		break;
	case VFIO_IRQ_SET_ACTION_UNMASK:
		ret = vfio_forward_action_mask(line, false, &set, data);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&device->irq_lock);

	kfree(data);
	return ret;
}

long vfio_forward_irq_info(struct vfio_forward_device *device,
			   void __user *argument)
{
	const size_t size = offsetofend(struct vfio_irq_info, count);
	struct vfio_irq_info info;

	if (copy_from_user(&info, argument, size))
		return -EFAULT;
	if (info.argsz < size || info.index >= device->num_lines)
		return -EINVAL;

	info.flags = device->lines[info.index].flags;
	info.count = 1;

	return copy_to_user(argument, &info, size) ? -EFAULT : 0;
}

int vfio_forward_counters(struct vfio_forward_device *device, u32 flags,
			  void __user *argument, size_t size)
{
	struct vfio_forward_counters counters;
	struct vfio_forward_line *line;
	int ret;

	ret = vfio_check_feature(flags, size, VFIO_DEVICE_FEATURE_GET,
				 sizeof(counters));
	if (ret != 1)
		return ret;
	if (copy_from_user(&counters, argument, sizeof(counters)))
		return -EFAULT;
	if (counters.index >= device->num_lines || counters.flags)
		return -EINVAL;
	line = &device->lines[counters.index];

	spin_lock_irq(&line->lock);
	counters.delivered = line->delivered;
	counters.spurious = line->spurious;
	counters.masked_ns = line->masked_ns;
	if (line->masked)
		counters.masked_ns += ktime_to_ns(ktime_sub(ktime_get(),
							    line->masked_since));
	spin_unlock_irq(&line->lock);

	return copy_to_user(argument, &counters, sizeof(counters)) ? -EFAULT : 0;
}
