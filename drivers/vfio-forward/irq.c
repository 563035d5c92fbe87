// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines: the device's interrupts to eventfds, and eventfds to mask and unmask.
 *
 * A level line is masked when it has fired and stays so until the user
 * unmasks it.  The masked state is the user's: it outlives a change of the
 * trigger and is forgotten when the device is closed.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/ktime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "internal.h"

int vfio_forward_lines_init(struct vfio_forward_device *device)
{
	struct device *dev = device->core.dev;
	struct vfio_forward_line *line;
	int count, irq;

	count = device->bus->count_irqs(dev);
	if (count < 0)
		return count;

	device->lines = kcalloc(count, sizeof(*line), GFP_KERNEL);
	if (!device->lines)
		return -ENOMEM;

	for (; device->num_lines < count; device->num_lines++) {
		line = &device->lines[device->num_lines];
		irq = device->bus->irq(dev, device->num_lines);
		if (irq < 0)
			return irq;

		line->irq = irq;
		line->flags = VFIO_IRQ_INFO_EVENTFD;
		if (irq_get_trigger_type(irq) & IRQ_TYPE_LEVEL_MASK)
			line->flags |= VFIO_IRQ_INFO_MASKABLE |
				       VFIO_IRQ_INFO_AUTOMASKED;
		spin_lock_init(&line->lock);
		/* A directory below /proc/irq has this name too: no slash. */
		line->name = kasprintf(GFP_KERNEL, VFIO_FORWARD_NAME ":%s[%u]",
				       dev_name(dev), device->num_lines);
		if (!line->name)
			return -ENOMEM;
	}
	return 0;
}

/* Also after lines_init() has failed, or was not called. */
void vfio_forward_lines_release(struct vfio_forward_device *device)
{
	for (; device->num_lines; device->num_lines--)
		kfree(device->lines[device->num_lines - 1].name);
	kfree(device->lines);
}

static void vfio_forward_note_masked(struct vfio_forward_line *line)
{
	lockdep_assert_held(&line->lock);

	line->masked = true;
	line->masked_since = ktime_get();
}

static void vfio_forward_note_unmasked(struct vfio_forward_line *line)
{
	lockdep_assert_held(&line->lock);

	line->masked = false;
	line->masked_ns += ktime_to_ns(ktime_sub(ktime_get(),
						 line->masked_since));
}

static void vfio_forward_mask(struct vfio_forward_line *line)
{
	unsigned long flags;

	spin_lock_irqsave(&line->lock, flags);
	if (!line->masked) {
		if (line->trigger)
			disable_irq_nosync(line->irq);
		vfio_forward_note_masked(line);
	}
	spin_unlock_irqrestore(&line->lock, flags);
}

static void vfio_forward_unmask(struct vfio_forward_line *line)
{
	unsigned long flags;

	spin_lock_irqsave(&line->lock, flags);
	if (line->masked) {
		vfio_forward_note_unmasked(line);
		if (line->trigger)
			enable_irq(line->irq);
	}
	spin_unlock_irqrestore(&line->lock, flags);
}

static bool vfio_forward_has_target(const struct vfio_forward_line *line)
{
	return line->target.wanted || line->target.engaged;
}

/*
 * The interrupt handler, and what a loopback trigger runs.
 *
 * The eventfd is signalled without the lock: whoever waits on it is called
 * from here and may well be this line's own mask or unmask.  It cannot go
 * away meanwhile, see vfio_forward_set_trigger().
 */
static irqreturn_t vfio_forward_handler(int irq, void *data)
{
	struct eventfd_ctx *trigger, *notify = NULL;
	struct vfio_forward_line *line = data;
	irqreturn_t ret = IRQ_HANDLED;
	unsigned long flags;

	spin_lock_irqsave(&line->lock, flags);
	trigger = line->trigger;
	if (!trigger || line->masked) {
		line->spurious++;
		trigger = NULL;
		ret = IRQ_NONE;
	} else {
		line->delivered++;
		if (vfio_forward_has_target(line) &&
		    vfio_forward_inject(line, &notify)) {
			trigger = NULL;
		} else if (line->flags & VFIO_IRQ_INFO_AUTOMASKED) {
			disable_irq_nosync(line->irq);
			vfio_forward_note_masked(line);
		}
	}
	spin_unlock_irqrestore(&line->lock, flags);

	if (trigger)
		eventfd_signal(trigger, 1);
	if (notify)
		eventfd_signal(notify, 1);
	return ret;
}

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

static bool vfio_forward_irq_taken(struct vfio_forward_device *device,
				   unsigned int irq)
{
	unsigned int index;

	for (index = 0; index < device->num_lines; index++)
		if (device->lines[index].irq == irq &&
		    device->lines[index].trigger)
			return true;
	return false;
}

static int vfio_forward_request_irq(struct vfio_forward_device *device,
				    struct vfio_forward_line *line,
				    struct eventfd_ctx *trigger)
{
	int ret;

	lockdep_assert_held(&device->irq_lock);

	/* A node may list one interrupt twice; it has one user. */
	if (vfio_forward_irq_taken(device, line->irq))
		return -EBUSY;

	ret = request_irq(line->irq, vfio_forward_handler, IRQF_NO_AUTOEN,
			  line->name, line);
	if (ret)
		return ret;

	/*
	 * Lazily disabled, an asserted level line would interrupt the host a
	 * second time before it is masked in the controller.  free_irq()
	 * takes this back.
	 */
	if (line->flags & VFIO_IRQ_INFO_AUTOMASKED)
		irq_set_status_flags(line->irq, IRQ_DISABLE_UNLAZY);

	spin_lock_irq(&line->lock);
	line->trigger = trigger;
	if (!line->masked)
		enable_irq(line->irq);
	spin_unlock_irq(&line->lock);
	return 0;
}

static void vfio_forward_free_irq(struct vfio_forward_line *line)
{
	struct eventfd_ctx *trigger = line->trigger;

	/*
	 * The irq is disabled with the trigger still there, so that an
	 * interrupt that is being handled is delivered, not spurious.
	 */
	disable_irq(line->irq);
	vfio_forward_stop(line);
	spin_lock_irq(&line->lock);
	line->trigger = NULL;
	spin_unlock_irq(&line->lock);

	free_irq(line->irq, line);
	eventfd_ctx_put(trigger);
}

/*
 * With fd -1 the line is released.  With another fd it is requested, or its
 * interrupts go to the new eventfd from now on and none is lost; an fd that is
 * no eventfd leaves everything as it was.
 */
static int vfio_forward_set_trigger(struct vfio_forward_device *device,
				    struct vfio_forward_line *line, int fd)
{
	struct eventfd_ctx *trigger, *old;
	int ret;

	lockdep_assert_held(&device->irq_lock);

	if (fd == -1) {
		if (line->trigger)
			vfio_forward_free_irq(line);
		return 0;
	}

	trigger = eventfd_ctx_fdget(fd);
	if (IS_ERR(trigger))
		return PTR_ERR(trigger);

	if (!line->trigger) {
		ret = vfio_forward_request_irq(device, line, trigger);
		if (ret)
			eventfd_ctx_put(trigger);
		return ret;
	}

	spin_lock_irq(&line->lock);
	old = line->trigger;
	line->trigger = trigger;
	spin_unlock_irq(&line->lock);
	/* A handler may still be signalling the old one. */
	synchronize_irq(line->irq);
	eventfd_ctx_put(old);
	return 0;
}

/* A guest can complete only an interrupt that is active in the controller. */
static int vfio_forward_loopback(struct vfio_forward_line *line)
{
	bool has_target;

	spin_lock_irq(&line->lock);
	has_target = vfio_forward_has_target(line);
	spin_unlock_irq(&line->lock);

	if (has_target)
		return irq_set_irqchip_state(line->irq, IRQCHIP_STATE_PENDING,
					     true);
	vfio_forward_handler(line->irq, line);
	return 0;
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

static int vfio_forward_action_mask(struct vfio_forward_line *line,
				    const struct vfio_irq_set *set,
				    const void *data)
{
	u32 type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	s32 fd;

	if (set->count != 1 || !(line->flags & VFIO_IRQ_INFO_MASKABLE))
		return -EINVAL;

	if (type == VFIO_IRQ_SET_DATA_EVENTFD) {
		fd = *(const s32 *)data;
		if (fd != -1)
			return vfio_virqfd_enable(line, vfio_forward_mask_wakeup,
						  NULL, NULL, &line->mask, fd);
		vfio_virqfd_disable(&line->mask);
		return 0;
	}

	if (type == VFIO_IRQ_SET_DATA_NONE || *(const u8 *)data)
		vfio_forward_mask(line);
	return 0;
}

static int vfio_forward_action_unmask(struct vfio_forward_line *line,
				      const struct vfio_irq_set *set,
				      const void *data)
{
	u32 type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	s32 fd;

	if (set->count != 1 || !(line->flags & VFIO_IRQ_INFO_MASKABLE))
		return -EINVAL;

	if (type == VFIO_IRQ_SET_DATA_EVENTFD) {
		fd = *(const s32 *)data;
		if (fd != -1)
			return vfio_virqfd_enable(line,
						  vfio_forward_unmask_wakeup,
						  vfio_forward_unmask_work,
						  NULL, &line->unmask, fd);
		vfio_virqfd_disable(&line->unmask);
		return 0;
	}

	if (type == VFIO_IRQ_SET_DATA_NONE || *(const u8 *)data)
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
		ret = vfio_forward_action_mask(line, &set, data);
		break;
	case VFIO_IRQ_SET_ACTION_UNMASK:
		ret = vfio_forward_action_unmask(line, &set, data);
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

/* The device is being opened: nobody else can be using its lines. */
void vfio_forward_lines_open(struct vfio_forward_device *device)
{
	struct vfio_forward_line *line = device->lines;
	unsigned int index;

	for (index = 0; index < device->num_lines; index++, line++) {
		line->masked = false;
		line->masked_ns = 0;
		line->delivered = 0;
		line->spurious = 0;
		line->target = (struct vfio_forward_target) { };
	}
}

/*
 * The eventfds that mask and unmask go first: vfio_virqfd_disable() returns
 * when none of their wake-ups is running.
 */
void vfio_forward_lines_close(struct vfio_forward_device *device)
{
	struct vfio_forward_line *line = device->lines;
	unsigned int index;

	for (index = 0; index < device->num_lines; index++, line++) {
		vfio_virqfd_disable(&line->mask);
		vfio_virqfd_disable(&line->unmask);
		if (line->trigger)
			vfio_forward_free_irq(line);
	}
}
