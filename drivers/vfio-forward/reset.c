// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reset lines, released while the device is open.  Only lines of its own can
 * reset the device; those that other devices use too are merely kept released.
 */
#include <linux/delay.h>
#include <linux/of.h>
#include <linux/reset.h>

#include "internal.h"

static bool vfio_forward_lists_reset(const struct device_node *node,
				     const struct of_phandle_args *reset)
{
	struct of_phandle_args other;
	bool same;
	int index;

	for (index = 0; !of_parse_phandle_with_args(node, "resets", "#reset-cells",
						    index, &other); index++) {
		same = other.np == reset->np &&
		       other.args_count == reset->args_count &&
		       !memcmp(other.args, reset->args,
			       reset->args_count * sizeof(reset->args[0]));
		of_node_put(other.np);
		if (same)
			return true;
	}
	return false;
}

/*
 * Whether another node of the tree lists one of this node's reset lines.
 *
 * The reset framework would say so as well, but only once the other device
 * has a driver, and with a warning that has a backtrace.  Asked before that, it
 * would let us keep the line from a device that the host has yet to probe.
 */
static bool vfio_forward_resets_shared(struct device_node *own)
{
	struct of_phandle_args reset;
	struct device_node *node;
	bool shared = false;
	int index;

	for (index = 0; !shared &&
	     !of_parse_phandle_with_args(own, "resets", "#reset-cells", index,
					 &reset); index++) {
		for_each_node_with_property(node, "resets") {
			if (node != own && of_device_is_available(node) &&
			    vfio_forward_lists_reset(node, &reset)) {
				shared = true;
				of_node_put(node);
				break;
			}
		}
		of_node_put(reset.np);
	}
	return shared;
}

int vfio_forward_reset_init(struct vfio_forward_device *device)
{
	struct device *dev = device->core.dev;

	device->reset_shared = vfio_forward_resets_shared(dev->of_node);
	device->reset = device->reset_shared ?
			devm_reset_control_array_get_optional_shared(dev) :
			devm_reset_control_array_get_optional_exclusive(dev);
	if (IS_ERR(device->reset))
		return dev_err_probe(dev, PTR_ERR(device->reset),
				     "cannot get its resets\n");
	return 0;
}

/*
 * A pulse on the reset lines.  Some controllers cannot hold a line, only pulse
 * it by themselves; some can do neither.
 */
static int vfio_forward_pulse(struct vfio_forward_device *device)
{
	int ret;

	lockdep_assert_held(&device->lock);

	ret = reset_control_assert(device->reset);
	if (ret == -ENOTSUPP)
		return reset_control_reset(device->reset);
	if (ret)
		return ret;

	usleep_range(10, 50);
	return reset_control_deassert(device->reset);
}

/*
 * Brings the device out of reset, from a fresh state if that is possible.
 * Whether it is can only be found out by trying.
 */
int vfio_forward_leave_reset(struct vfio_forward_device *device)
{
	int ret;

	if (!device->reset)
		return 0;
	if (device->reset_shared)
		return reset_control_deassert(device->reset);

	mutex_lock(&device->lock);
	ret = vfio_forward_pulse(device);
	device->can_reset = !ret;
	mutex_unlock(&device->lock);

	return ret == -ENOTSUPP ? reset_control_deassert(device->reset) : ret;
}

/* Balances leave_reset(); leaves the device in a fresh state if possible. */
void vfio_forward_enter_reset(struct vfio_forward_device *device)
{
	int ret = 0;

	if (device->reset_shared) {
		ret = reset_control_assert(device->reset);
	} else if (device->can_reset) {
		mutex_lock(&device->lock);
		ret = vfio_forward_pulse(device);
		device->can_reset = false;
		mutex_unlock(&device->lock);
	}
	if (ret)
		dev_err(device->core.dev, "cannot be reset: %d\n", ret);
}

int vfio_forward_reset(struct vfio_forward_device *device)
{
	int ret;

	if (!device->can_reset)
		return -EINVAL;

	mutex_lock(&device->lock);
	ret = vfio_forward_pulse(device);
	mutex_unlock(&device->lock);
	return ret;
}
