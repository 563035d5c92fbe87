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
 * Only the end cannot wait for another interrupt, see vfio_forward_stop().
 *
 * Locks: line->lock is taken outside the vGIC's own; claims_lock outside
 * line->lock.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/jiffies.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "internal.h"

static bool forward = true;
module_param(forward, bool, 0444);
MODULE_PARM_DESC(forward, "Offer to forward interrupts to guests, if KVM can");

/* What KVM does not export. */
static struct {
	int (*map)(struct kvm_vcpu *vcpu, unsigned int host_irq, u32 intid,
		   struct irq_ops *ops);
	int (*unmap)(struct kvm_vcpu *vcpu, unsigned int intid);
	int (*inject)(struct kvm *kvm, int cpu, unsigned int intid, bool level,
		      void *owner);
} vgic __ro_after_init;

/* Every line that has an SPI, of all devices: an SPI has one line. */
static LIST_HEAD(claims);
static DEFINE_MUTEX(claims_lock);

static void * __init vfio_forward_find(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *found;

	if (register_kprobe(&probe))
		return NULL;
	found = probe.addr;
	unregister_kprobe(&probe);
	return found;
}

void __init vfio_forward_find_vgic(void)
{
	if (!forward)
		return;
	vgic.map = vfio_forward_find("kvm_vgic_map_phys_irq");
	vgic.unmap = vfio_forward_find("kvm_vgic_unmap_phys_irq");
	vgic.inject = vfio_forward_find("kvm_vgic_inject_irq");
	if (!vgic.map || !vgic.unmap || !vgic.inject)
		pr_info(VFIO_FORWARD_NAME ": this kernel's KVM has no way to forward interrupts\n");
}

static bool vfio_forward_offered(void)
{
	return vgic.map && vgic.unmap && vgic.inject;
}

/*
 * The VM that VFIO knows of at the open is kept until the close: what VFIO
 * has later may be a pointer to a VM that is gone.
 */
void vfio_forward_kvm_open(struct vfio_forward_device *device)
{
	struct kvm *kvm = device->core.kvm;

	if (vfio_forward_offered() && kvm && kvm_get_kvm_safe(kvm))
		device->kvm = kvm;
}

/* No line is forwarded any more. */
void vfio_forward_kvm_close(struct vfio_forward_device *device)
{
	if (device->kvm)
		kvm_put_kvm(device->kvm);
	device->kvm = NULL;
}

/* An SPI belongs to no vCPU, but KVM wants one to name the VM by. */
static struct kvm_vcpu *vfio_forward_vcpu(const struct vfio_forward_target *target)
{
	return kvm_get_vcpu(target->kvm, 0);
}

static struct vgic_irq *vfio_forward_virq(struct kvm *kvm, u32 intid)
{
	return &kvm->arch.vgic.spis[intid - VGIC_NR_PRIVATE_IRQS];
}

/*
 * Whether KVM has put the last virtual interrupt away.  With vcpu NULL it is
 * in no list register.
 */
static bool vfio_forward_is_idle(struct vgic_irq *virq)
{
	unsigned long flags;
	bool idle;

	raw_spin_lock_irqsave(&virq->irq_lock, flags);
	idle = !virq->vcpu && !virq->active && !virq->pending_latch &&
	       !virq->line_level && !virq->hw;
	raw_spin_unlock_irqrestore(&virq->irq_lock, flags);
	return idle;
}

static bool vfio_forward_engage(struct vfio_forward_line *line)
{
	struct vfio_forward_target *target = &line->target;
	struct kvm_vcpu *vcpu = vfio_forward_vcpu(target);

	if (!vfio_forward_is_idle(vfio_forward_virq(target->kvm, target->intid)))
		return false;
	if (vgic.map(vcpu, line->irq, target->intid, NULL))
		return false;
	if (irq_set_vcpu_affinity(line->irq, vcpu)) {
		vgic.unmap(vcpu, target->intid);
		return false;
	}
	target->engaged = true;
	target->switches++;
	return true;
}

static void vfio_forward_disengage(struct vfio_forward_line *line)
{
	struct vfio_forward_target *target = &line->target;

	irq_set_vcpu_affinity(line->irq, NULL);
	vgic.unmap(vfio_forward_vcpu(target), target->intid);
	target->engaged = false;
	target->switches++;
}

/* A guest that completes the interrupt of a device that is not yet quiet. */
static bool vfio_forward_is_storm(struct vfio_forward_target *target)
{
	if (time_after_eq(jiffies, target->window_end)) {
		target->window_end = jiffies + HZ / 10;
		target->in_window = 0;
	}
	return ++target->in_window > target->limit;
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

	if (target->wanted && vfio_forward_is_storm(target)) {
		target->wanted = false;
		target->stormed = true;
		target->storms++;
		*notify = target->notify;
	}

	if (!target->wanted) {
		if (target->engaged)
			vfio_forward_disengage(line);
		return false;
	}
	if (!target->engaged && !vfio_forward_engage(line))
		return false;

	if (!READ_ONCE(vfio_forward_virq(target->kvm, target->intid)->enabled))
		target->early++;
	target->forwarded++;
	vgic.inject(target->kvm, 0, target->intid, true, NULL);
	return true;
}

static int vfio_forward_claim(struct vfio_forward_target *target,
			      struct kvm *kvm, u32 intid)
{
	struct vfio_forward_target *other;
	int ret = 0;

	mutex_lock(&claims_lock);
	list_for_each_entry(other, &claims, claim)
		if (other->kvm == kvm && other->intid == intid)
			ret = -EBUSY;
	if (!ret && READ_ONCE(vfio_forward_virq(kvm, intid)->hw))
		ret = -EBUSY;
	if (!ret) {
		target->kvm = kvm;
		target->intid = intid;
		list_add(&target->claim, &claims);
	}
	mutex_unlock(&claims_lock);
	return ret;
}

static void vfio_forward_unclaim(struct vfio_forward_target *target)
{
	mutex_lock(&claims_lock);
	list_del(&target->claim);
	mutex_unlock(&claims_lock);
	target->kvm = NULL;
}

/*
 * The line has an SPI no longer, at once; its irq is disabled and no handler
 * runs.  The guest may be in the middle of the interrupt.
 *
 * The virtual interrupt becomes one of software's, and what is pending of it
 * is taken back: if the device still wants attention, the line says so again.
 * A running vCPU may have the HW bit in a list register.  Once every vCPU has
 * left the guest, it has not, and no EOI reaches the physical interrupt any
 * more.  That is then deactivated, on which whoever has the line next relies;
 * what a loopback may have left pending is not for them either.
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
		vgic.unmap(vfio_forward_vcpu(target), target->intid);
		vgic.inject(target->kvm, 0, target->intid, false, NULL);
		kvm_make_all_cpus_request(target->kvm, KVM_REQ_IRQ_PENDING |
					  KVM_REQUEST_WAIT |
					  KVM_REQUEST_NO_WAKEUP);
		irq_set_irqchip_state(line->irq, IRQCHIP_STATE_PENDING, false);
		irq_set_irqchip_state(line->irq, IRQCHIP_STATE_ACTIVE, false);
		irq_set_vcpu_affinity(line->irq, NULL);
		target->switches++;
	}
	if (notify)
		eventfd_ctx_put(notify);
	vfio_forward_unclaim(target);
}

/* If not, the handler leaves the target alone. */
static bool vfio_forward_is_busy(struct vfio_forward_line *line)
{
	bool busy;

	spin_lock_irq(&line->lock);
	busy = line->target.wanted || line->target.engaged;
	spin_unlock_irq(&line->lock);
	return busy;
}

/* Everything that can be known before the first interrupt. */
static int vfio_forward_check_target(struct vfio_forward_device *device,
				     struct vfio_forward_line *line, u32 spi)
{
	struct kvm *kvm = device->kvm;

	if (!(line->flags & VFIO_IRQ_INFO_AUTOMASKED))
		return -EOPNOTSUPP;
	if (!kvm)
		return -ENODEV;
	if (!irqchip_in_kernel(kvm))
		return -ENXIO;
	if (!vgic_initialized(kvm) || !kvm_get_vcpu(kvm, 0))
		return -EAGAIN;
	if (spi >= kvm->arch.vgic.nr_spis)
		return -EINVAL;
	if (!line->trigger)
		return -ENOTCONN;
	/* Asks whether the controller can: not forwarded, it has no effect. */
	if (!line->target.kvm && irq_set_vcpu_affinity(line->irq, NULL))
		return -EOPNOTSUPP;
	return 0;
}

static int vfio_forward_start(struct vfio_forward_device *device,
			      struct vfio_forward_line *line,
			      const struct vfio_forward_route *route)
{
	struct vfio_forward_target *target = &line->target;
	u32 intid = route->spi + VGIC_NR_PRIVATE_IRQS;
	struct eventfd_ctx *notify = NULL, *old;
	int ret;

	ret = vfio_forward_check_target(device, line, route->spi);
	if (ret)
		return ret;
	if (target->kvm && target->intid != intid) {
		if (vfio_forward_is_busy(line))
			return -EBUSY;
		vfio_forward_unclaim(target);
	}

	if (route->notify != -1) {
		notify = eventfd_ctx_fdget(route->notify);
		if (IS_ERR(notify))
			return PTR_ERR(notify);
	}
	if (!target->kvm) {
		ret = vfio_forward_claim(target, device->kvm, intid);
		if (ret) {
			if (notify)
				eventfd_ctx_put(notify);
			return ret;
		}
	}

	spin_lock_irq(&line->lock);
	old = target->notify;
	target->notify = notify;
	target->limit = route->limit ?: VFIO_FORWARD_ROUTE_LIMIT;
	target->in_window = 0;
	target->stormed = false;
	target->wanted = true;
	spin_unlock_irq(&line->lock);

	if (old) {
		/* A handler may still be signalling it. */
		synchronize_irq(line->irq);
		eventfd_ctx_put(old);
	}
	return 0;
}

static int vfio_forward_route_set(struct vfio_forward_device *device,
				  struct vfio_forward_line *line,
				  const struct vfio_forward_route *route)
{
	lockdep_assert_held(&device->irq_lock);

	if (route->flags & ~VFIO_FORWARD_ROUTE_WANTED || route->reserved ||
	    route->forwarded || route->early || route->switches || route->storms)
		return -EINVAL;
	if (route->flags)
		return vfio_forward_start(device, line, route);

	if (route->spi || route->limit || route->notify != -1)
		return -EINVAL;
	spin_lock_irq(&line->lock);
	line->target.wanted = false;
	line->target.stormed = false;
	spin_unlock_irq(&line->lock);
	return 0;
}

static void vfio_forward_route_get(struct vfio_forward_line *line,
				   struct vfio_forward_route *route)
{
	const struct vfio_forward_target *target = &line->target;

	spin_lock_irq(&line->lock);
	if (target->wanted)
		route->flags |= VFIO_FORWARD_ROUTE_WANTED;
	if (target->engaged)
		route->flags |= VFIO_FORWARD_ROUTE_ENGAGED;
	if (target->stormed)
		route->flags |= VFIO_FORWARD_ROUTE_STORMED;
	route->spi = target->kvm ? target->intid - VGIC_NR_PRIVATE_IRQS : 0;
	route->limit = target->kvm ? target->limit : 0;
	route->notify = -1;
	route->reserved = 0;
	route->forwarded = target->forwarded;
	route->early = target->early;
	route->switches = target->switches;
	route->storms = target->storms;
	spin_unlock_irq(&line->lock);
}

int vfio_forward_route(struct vfio_forward_device *device, u32 flags,
		       void __user *argument, size_t size)
{
	struct vfio_forward_route route;
	struct vfio_forward_line *line;
	int ret;

	if (!vfio_forward_offered())
		return -ENOTTY;
	ret = vfio_check_feature(flags, size,
				 VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
				 sizeof(route));
	if (ret != 1)
		return ret;
	if (copy_from_user(&route, argument, sizeof(route)))
		return -EFAULT;
	if (route.index >= device->num_lines)
		return -EINVAL;
	line = &device->lines[route.index];

	mutex_lock(&device->irq_lock);
	if (flags & VFIO_DEVICE_FEATURE_SET) {
		ret = vfio_forward_route_set(device, line, &route);
	} else {
		ret = route.flags ? -EINVAL : 0;
		if (!ret)
			vfio_forward_route_get(line, &route);
	}
	mutex_unlock(&device->irq_lock);

	if (!ret && flags & VFIO_DEVICE_FEATURE_GET &&
	    copy_to_user(argument, &route, sizeof(route)))
		return -EFAULT;
	return ret;
}
