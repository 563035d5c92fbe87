// SPDX-License-Identifier: GPL-2.0-only
/*
 * The feature FORWARD: which SPI a line has, and who says so.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/uaccess.h>

#include "internal.h"

#define VFIO_FORWARD_FIRST_SPI	32	/* INTID of SPI 0 */

/* Every line that has an SPI, of all devices: an SPI has one line. */
static LIST_HEAD(claims);
static DEFINE_MUTEX(claims_lock);

/* The line's SPI, in place of another that it may have had. */
static int vfio_forward_claim(struct vfio_forward_target *target,
			      struct kvm *kvm, u32 intid)
{
	struct vfio_forward_target *other;
	int ret = 0;

	mutex_lock(&claims_lock);
	list_for_each_entry(other, &claims, claim)
		if (other != target && other->kvm == kvm && other->intid == intid)
			ret = -EBUSY;
	if (!ret) {
		if (!target->kvm)
			list_add(&target->claim, &claims);
		target->kvm = kvm;
		target->intid = intid;
	}
	mutex_unlock(&claims_lock);
	return ret;
}

void vfio_forward_unclaim(struct vfio_forward_target *target)
{
	mutex_lock(&claims_lock);
	list_del(&target->claim);
	mutex_unlock(&claims_lock);
	target->kvm = NULL;
}

/* Everything that can be known before the first interrupt. */
static int vfio_forward_check_target(struct vfio_forward_device *device,
				     struct vfio_forward_line *line, u32 spi)
{
	const struct vfio_forward_target *target = &line->target;
	u32 intid = spi + VFIO_FORWARD_FIRST_SPI;
	int ret;

	if (!(line->flags & VFIO_IRQ_INFO_AUTOMASKED))
		return -EOPNOTSUPP;
	ret = vfio_forward_vgic_check(device->kvm, spi);
	if (ret)
		return ret;
	if (!line->trigger)
		return -ENOTCONN;
	/* Asks whether the controller can: not forwarded, it has no effect. */
	if (!target->kvm && irq_set_vcpu_affinity(line->irq, NULL))
		return -EOPNOTSUPP;
	if (target->kvm && target->intid != intid && vfio_forward_is_busy(line))
		return -EBUSY;
	return 0;
}

static int vfio_forward_start(struct vfio_forward_device *device,
			      struct vfio_forward_line *line,
			      const struct vfio_forward_route *route)
{
	struct vfio_forward_target *target = &line->target;
	struct eventfd_ctx *notify = NULL, *old;
	int ret;

	ret = vfio_forward_check_target(device, line, route->spi);
	if (ret)
		return ret;

	if (route->notify != -1) {
		notify = eventfd_ctx_fdget(route->notify);
		if (IS_ERR(notify))
			return PTR_ERR(notify);
	}
	ret = vfio_forward_claim(target, device->kvm,
				 route->spi + VFIO_FORWARD_FIRST_SPI);
	if (ret) {
		if (notify)
			eventfd_ctx_put(notify);
		return ret;
	}

	spin_lock_irq(&line->lock);
	old = target->notify;
	target->notify = notify;
	vfio_forward_watch(target, route->limit ?: VFIO_FORWARD_ROUTE_LIMIT);
	target->stormed = false;
	target->wanted = true;
	spin_unlock_irq(&line->lock);

	if (old) {
		/* A handler may still be signalling it. */
		vfio_forward_await_handler(line);
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
	route->spi = target->kvm ? target->intid - VFIO_FORWARD_FIRST_SPI : 0;
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

	if (!vfio_forward_vgic_offered())
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
