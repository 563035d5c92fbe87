// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of the platform bus.
 */
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>

#include "internal.h"

static const struct resource *
vfio_forward_platform_memory(struct device *dev, unsigned int index)
{
	return platform_get_resource(to_platform_device(dev), IORESOURCE_MEM,
				     index);
}

static int vfio_forward_platform_count_irqs(struct device *dev)
{
	return platform_irq_count(to_platform_device(dev));
}

static int vfio_forward_platform_irq(struct device *dev, unsigned int index)
{
	return platform_get_irq(to_platform_device(dev), index);
}

static const struct vfio_forward_bus vfio_forward_platform_bus = {
	.memory		= vfio_forward_platform_memory,
	.count_irqs	= vfio_forward_platform_count_irqs,
	.irq		= vfio_forward_platform_irq,
};

static int vfio_forward_platform_probe(struct platform_device *platform)
{
	int ret;

	pm_runtime_enable(&platform->dev);
	ret = vfio_forward_bind(&platform->dev, &vfio_forward_platform_bus,
				platform->driver_override);
	if (ret)
		pm_runtime_disable(&platform->dev);
	return ret;
}

static int vfio_forward_platform_remove(struct platform_device *platform)
{
	vfio_forward_unbind(&platform->dev);
	pm_runtime_disable(&platform->dev);
	return 0;
}

/* No table of devices: driver_override alone brings a device here. */
static struct platform_driver vfio_forward_platform_driver = {
	.probe	= vfio_forward_platform_probe,
	.remove	= vfio_forward_platform_remove,
	.driver	= {
		.name = VFIO_FORWARD_NAME,
		.dev_groups = vfio_forward_attribute_groups,
	},
	.driver_managed_dma = true,
};

int vfio_forward_platform_register(void)
{
	return platform_driver_register(&vfio_forward_platform_driver);
}

void vfio_forward_platform_unregister(void)
{
	platform_driver_unregister(&vfio_forward_platform_driver);
}
