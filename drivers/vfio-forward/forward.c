// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forwarding: a line's interrupts go straight into the guest's vGIC, and the
 * guest's EOI completes them in the host's GIC.
 *
 * The host only drops the interrupt's priority.  The physical interrupt stays
 * active until the guest's EOI deactivates it, by the HW bit and the physical
 * INTID in the list register; so it cannot come again before that, needs no
 * mask, and nobody has to be told that it is over.
 *
 * A line changes sides only in its own interrupt handler.  An interrupt that
 * arrives proves that the one before it is over, on whatever side that was:
 * eventfd, since the line has been unmasked; vGIC, since it was deactivated.
 * What remains to be seen is whether KVM has put the former virtual interrupt
 * away as well; if not, the interrupt takes the old way and the next one
 * tries again.  So nothing is waited for, lost or delivered twice.
 *
 * A user who masks the line, or a guest that writes to its GIC's active
 * registers, deactivates an interrupt that the guest has yet to complete.  If
 * the line changes sides then, the guest may hear of one interrupt more than
 * there was.
 *
 * Only the end cannot wait for another interrupt, see vfio_forward_stop().
 *
 * A guest that completes the interrupts of a device that is not quiet is
 * interrupted again and again, and so is the host.  Nobody hears of a
 * completion, though.  So now and then one interrupt takes the old way, at
 * whose end the line can be looked at, see vfio_forward_look().
 *
 * Locks: line->lock is taken outside the vGIC's own.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/minmax.h>

#include "internal.h"

/*
 * Completions in a row at which the line was still asserted.
 *
 * A busy device may have its next interrupt there before the line is looked
 * at.  If it has in 99 of 100 cases, it would be taken for a storm at 64 more
 * often than not, and at 1024 once in 29,000 times.  To be so sure costs
 * nothing but the time until it is told: meanwhile the interrupts take the old
 * way, as they would after a storm.
 */
#define VFIO_FORWARD_STORM	1024

/* How much rarer the looks become while the line is found quiet. */
#define VFIO_FORWARD_RARELY	64

void vfio_forward_watch(struct vfio_forward_target *target, u32 limit)
{
	target->limit = limit;
	target->interval = limit;
	target->until_look = limit;
	target->looking = false;
	target->asserted = 0;
}

/* The user completed an interrupt that took the old way; it is still masked. */
void vfio_forward_look(struct vfio_forward_line *line)
{
	struct vfio_forward_target *target = &line->target;
	bool asserted;

	lockdep_assert_held(&line->lock);

	if (!target->looking ||
	    irq_get_irqchip_state(line->irq, IRQCHIP_STATE_PENDING, &asserted))
		return;
	if (asserted) {
		target->asserted++;
		return;
	}
	target->looking = false;
	target->asserted = 0;
	target->interval = min3((u64)target->interval * 2,
				(u64)target->limit * VFIO_FORWARD_RARELY,
				(u64)U32_MAX);
	target->until_look = target->interval;
}

static bool vfio_forward_engage(struct vfio_forward_line *line)
{
	if (!vfio_forward_vgic_map(&line->target, line->irq))
		return false;
	line->target.engaged = true;
	line->target.switches++;
	return true;
}

static void vfio_forward_disengage(struct vfio_forward_line *line)
{
	irq_set_vcpu_affinity(line->irq, NULL);
	vfio_forward_vgic_unmap(&line->target);
	line->target.engaged = false;
	line->target.switches++;
}

/*
 * Called by the interrupt handler for a line that is, or shall be, forwarded.
 * Returns whether the interrupt went to the vGIC; otherwise it takes the usual
 * way.  The caller signals *notify once it has let go of the lock.
 */
bool vfio_forward_inject(struct vfio_forward_line *line,
			 struct eventfd_ctx **notify)
{
	struct vfio_forward_target *target = &line->target;

	lockdep_assert_held(&line->lock);

	/* In a thread (boot option threadirqs) it is masked, not active. */
	if (!in_hardirq())
		return false;

	if (target->wanted && target->asserted >= VFIO_FORWARD_STORM) {
		target->wanted = false;
		target->stormed = true;
		target->storms++;
		*notify = target->notify;
	}

	if (!target->wanted || target->looking) {
		if (target->engaged)
			vfio_forward_disengage(line);
		return false;
	}
	if (!target->engaged && !vfio_forward_engage(line))
		return false;

	if (!vfio_forward_vgic_is_enabled(target))
		target->early++;
	target->forwarded++;
	target->looking = !--target->until_look;
	vfio_forward_vgic_raise(target);
	return true;
}

/*
 * The line has an SPI no longer, at once; its irq is disabled and no handler
 * runs.  The guest may be in the middle of the interrupt.
 *
 * The virtual interrupt becomes one of software's, and what is pending of it
 * is taken back: if the device still wants attention, the line says so again.
 * The physical one is then deactivated, on which whoever has the line next
 * relies; what a loopback may have left pending is not for them either.
 */
void vfio_forward_stop(struct vfio_forward_line *line)
{
	struct vfio_forward_target *target = &line->target;
	struct eventfd_ctx *notify;
	bool engaged;

	if (!target->kvm)
		return;

	spin_lock_irq(&line->lock);
	engaged = target->engaged;
	notify = target->notify;
	target->engaged = false;
	target->wanted = false;
	target->notify = NULL;
	spin_unlock_irq(&line->lock);

	if (engaged) {
		vfio_forward_vgic_unmap(target);
		vfio_forward_vgic_recall(target);
		irq_set_irqchip_state(line->irq, IRQCHIP_STATE_ACTIVE, false);
		irq_set_vcpu_affinity(line->irq, NULL);
		target->switches++;
	}
	irq_set_irqchip_state(line->irq, IRQCHIP_STATE_PENDING, false);
	if (notify)
		eventfd_ctx_put(notify);
	vfio_forward_unclaim(target);
}
