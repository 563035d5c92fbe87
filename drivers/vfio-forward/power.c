// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power domains and clocks.  While the device is open they are held, so that
 * the host does not switch off what it believes to be unused.
 */
#include <linux/clk.h>
#include <linux/of.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>
#include <linux/sysfs.h>

#include "internal.h"

static void vfio_forward_detach_domain(void *domain)
{
	dev_pm_domain_detach(domain, true);
}

static void vfio_forward_remove_link(void *link)
{
	device_link_del(link);
}

/*
 * A single power domain was attached by the platform bus.  Several are left
 * to the driver: each becomes a device of its own, which is linked so that it
 * follows the runtime state of ours.
 */
static int vfio_forward_attach_domains(struct device *dev)
{
	struct device_link *link;
	struct device *domain;
	int count, index, ret;

	count = of_count_phandle_with_args(dev->of_node, "power-domains",
					   "#power-domain-cells");
	if (count <= 1)
		return 0;

	for (index = 0; index < count; index++) {
		domain = dev_pm_domain_attach_by_id(dev, index);
		if (IS_ERR_OR_NULL(domain))
			return dev_err_probe(dev, domain ? PTR_ERR(domain) : -ENODEV,
					     "power domain %d\n", index);
		ret = devm_add_action_or_reset(dev, vfio_forward_detach_domain,
					       domain);
		if (ret)
			return ret;

		link = device_link_add(dev, domain,
				       DL_FLAG_STATELESS | DL_FLAG_PM_RUNTIME);
		if (!link)
			return dev_err_probe(dev, -EINVAL,
					     "no link to power domain %d\n",
					     index);
		ret = devm_add_action_or_reset(dev, vfio_forward_remove_link,
					       link);
		if (ret)
			return ret;
	}
	return 0;
}

int vfio_forward_power_init(struct vfio_forward_device *device)
{
	struct device *dev = device->core.dev;
	int ret;

	ret = vfio_forward_attach_domains(dev);
	if (ret)
		return ret;

	ret = devm_clk_bulk_get_all(dev, &device->clocks);
	if (ret < 0)
		return dev_err_probe(dev, ret, "cannot get its clocks\n");
	device->num_clocks = ret;

	return vfio_forward_reset_init(device);
}

int vfio_forward_power_on(struct vfio_forward_device *device)
{
	struct device *dev = device->core.dev;
	int ret;

	ret = pm_runtime_resume_and_get(dev);
	if (ret) {
		dev_err(dev, "cannot be powered on: %d\n", ret);
		return ret;
	}

	ret = clk_bulk_prepare_enable(device->num_clocks, device->clocks);
	if (ret) {
		dev_err(dev, "cannot enable its clocks: %d\n", ret);
		goto power;
	}

	ret = vfio_forward_leave_reset(device);
	if (ret) {
		dev_err(dev, "cannot be brought out of reset: %d\n", ret);
		goto clocks;
	}
	return 0;

clocks:
	clk_bulk_disable_unprepare(device->num_clocks, device->clocks);
power:
	pm_runtime_put_sync(dev);
	return ret;
}

/* The reset comes first: without clocks there would be none. */
void vfio_forward_power_off(struct vfio_forward_device *device)
{
	vfio_forward_enter_reset(device);
	clk_bulk_disable_unprepare(device->num_clocks, device->clocks);
	pm_runtime_put_sync(device->core.dev);
}

/* The present rates in Hz, in the order of the node's clocks. */
static ssize_t clock_rates_show(struct device *dev,
				struct device_attribute *attribute,
				char *buffer)
{
	struct vfio_forward_device *device = dev_get_drvdata(dev);
	ssize_t length = 0;
	int index;

	for (index = 0; index < device->num_clocks; index++)
		length += sysfs_emit_at(buffer, length, "%s%lu",
					index ? " " : "",
					clk_get_rate(device->clocks[index].clk));
	length += sysfs_emit_at(buffer, length, "\n");
	return length;
}
static DEVICE_ATTR_RO(clock_rates);

static struct attribute *vfio_forward_attributes[] = {
	&dev_attr_clock_rates.attr,
	NULL
};

static const struct attribute_group vfio_forward_attribute_group = {
	.name	= "vfio_forward",
	.attrs	= vfio_forward_attributes,
};

const struct attribute_group *vfio_forward_attribute_groups[] = {
	&vfio_forward_attribute_group,
	NULL
};
