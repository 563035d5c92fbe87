// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest's vGIC, and the parts of KVM that it takes to put an interrupt there.
 */
#include <linux/irq.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

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

bool vfio_forward_vgic_offered(void)
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

	if (vfio_forward_vgic_offered() && kvm && kvm_get_kvm_safe(kvm))
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

static struct vgic_irq *vfio_forward_virq(const struct vfio_forward_target *target)
{
	return &target->kvm->arch.vgic.spis[target->intid - VGIC_NR_PRIVATE_IRQS];
}

/* Everything of the VM that can be known before the first interrupt. */
int vfio_forward_vgic_check(struct kvm *kvm, u32 spi)
{
	if (!kvm)
		return -ENODEV;
	if (!irqchip_in_kernel(kvm))
		return -ENXIO;
	if (!vgic_initialized(kvm) || !kvm_get_vcpu(kvm, 0))
		return -EAGAIN;
	if (spi >= kvm->arch.vgic.nr_spis)
		return -EINVAL;
	return 0;
}

/*
 * Whether the vGIC is there, and has put the last virtual interrupt away.
 *
 * Until the first vCPU has run, KVM may still take the whole vGIC back.  With
 * vcpu NULL the interrupt is in no list register.
 */
static bool vfio_forward_vgic_is_idle(const struct vfio_forward_target *target)
{
	struct vgic_irq *virq;
	unsigned long flags;
	bool idle;

	if (!READ_ONCE(target->kvm->arch.vgic.ready))
		return false;
	virq = vfio_forward_virq(target);
	raw_spin_lock_irqsave(&virq->irq_lock, flags);
	idle = !virq->vcpu && !virq->active && !virq->pending_latch &&
	       !virq->line_level && !virq->hw;
	raw_spin_unlock_irqrestore(&virq->irq_lock, flags);
	return idle;
}

/* From now on the guest's EOI of the SPI deactivates irq; only if it is idle. */
bool vfio_forward_vgic_map(const struct vfio_forward_target *target,
			   unsigned int irq)
{
	struct kvm_vcpu *vcpu = vfio_forward_vcpu(target);

	if (!vfio_forward_vgic_is_idle(target))
		return false;
	if (vgic.map(vcpu, irq, target->intid, NULL))
		return false;
	if (irq_set_vcpu_affinity(irq, vcpu)) {
		vgic.unmap(vcpu, target->intid);
		return false;
	}
	return true;
}

/* A list register may still have the HW bit, see vfio_forward_vgic_recall(). */
void vfio_forward_vgic_unmap(const struct vfio_forward_target *target)
{
	vgic.unmap(vfio_forward_vcpu(target), target->intid);
}

void vfio_forward_vgic_raise(const struct vfio_forward_target *target)
{
	vgic.inject(target->kvm, 0, target->intid, true, NULL);
}

bool vfio_forward_vgic_is_enabled(const struct vfio_forward_target *target)
{
	return READ_ONCE(vfio_forward_virq(target)->enabled);
}

/*
 * Takes back what is pending of an unmapped SPI.  A running vCPU may have the
 * HW bit in a list register.  Once every vCPU has left the guest, it has not,
 * and no EOI reaches the physical interrupt any more.
 */
void vfio_forward_vgic_recall(const struct vfio_forward_target *target)
{
	vgic.inject(target->kvm, 0, target->intid, false, NULL);
	kvm_make_all_cpus_request(target->kvm, KVM_REQ_IRQ_PENDING |
				  KVM_REQUEST_WAIT | KVM_REQUEST_NO_WAKEUP);
}
