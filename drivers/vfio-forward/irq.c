// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines: the device's interrupts to eventfds, masked and unmasked.
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

#include "internal.h"

/* Whether an earlier line is the same interrupt. */
static bool vfio_forward_repeats(const struct vfio_forward_device *device,
				 unsigned int index)
{
	unsigned int earlier;

	for (earlier = 0; earlier < index; earlier++)
		if (device->lines[earlier].irq == device->lines[index].irq)
			return true;
	return false;
}

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

	/*
	 * What only repeats a line could never be used, and a client that uses
	 * every line there is, as QEMU does, would have to give up.
	 */
	while (device->num_lines &&
	       vfio_forward_repeats(device, device->num_lines - 1))
		kfree(device->lines[--device->num_lines].name);
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

void vfio_forward_mask(struct vfio_forward_line *line)
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

void vfio_forward_unmask(struct vfio_forward_line *line)
{
	unsigned long flags;

	spin_lock_irqsave(&line->lock, flags);
	if (line->masked) {
		vfio_forward_look(line);
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

/* If not, the handler leaves the target alone. */
bool vfio_forward_is_busy(struct vfio_forward_line *line)
{
	bool busy;

	spin_lock_irq(&line->lock);
	busy = vfio_forward_has_target(line);
	spin_unlock_irq(&line->lock);
	return busy;
}

/*
 * Returns when no handler runs that has seen what the line was before.
 *
 * synchronize_irq() alone would also wait until the interrupt is active no
 * longer, and when that is of a forwarded one, only the guest decides.  One
 * that is handled in a thread is not forwarded.
 */
void vfio_forward_await_handler(struct vfio_forward_line *line)
{
	if (!synchronize_hardirq(line->irq))
		synchronize_irq(line->irq);
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
	disable_irq_nosync(line->irq);
	vfio_forward_await_handler(line);
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
int vfio_forward_set_trigger(struct vfio_forward_device *device,
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
	vfio_forward_await_handler(line);
	eventfd_ctx_put(old);
	return 0;
}

/* A guest can complete only an interrupt that is active in the controller. */
int vfio_forward_loopback(struct vfio_forward_line *line)
{
	if (vfio_forward_is_busy(line))
		return irq_set_irqchip_state(line->irq, IRQCHIP_STATE_PENDING,
					     true);
	vfio_forward_handler(line->irq, line);
	return 0;
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
