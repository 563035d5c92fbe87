// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of the AMBA bus: Arm's own UARTs, timers, DMA engines, which the
 * kernel finds by an identification in their registers.  They have one region.
 * The bus keeps their runtime PM enabled and the device active.
 */
#include <linux/amba/bus.h>
#include <linux/module.h>

#include "internal.h"

static const struct resource *
vfio_forward_amba_memory(struct device *dev, unsigned int index)
{
	return index ? NULL : &to_amba_device(dev)->res;
}

static int vfio_forward_amba_count_irqs(struct device *dev)
{
	const struct amba_device *amba = to_amba_device(dev);
	int count = 0;

	while (count < AMBA_NR_IRQS && amba->irq[count])
		count++;
	return count;
}

static int vfio_forward_amba_irq(struct device *dev, unsigned int index)
{
	return to_amba_device(dev)->irq[index];
}

static const struct vfio_forward_bus vfio_forward_amba_bus = {
	.memory		= vfio_forward_amba_memory,
	.count_irqs	= vfio_forward_amba_count_irqs,
	.irq		= vfio_forward_amba_irq,
};

static int vfio_forward_amba_probe(struct amba_device *amba,
				   const struct amba_id *id)
{
	return vfio_forward_bind(&amba->dev, &vfio_forward_amba_bus,
				 amba->driver_override);
}

static void vfio_forward_amba_remove(struct amba_device *amba)
{
	vfio_forward_unbind(&amba->dev);
}

/* The bus wants a table; an empty one matches nothing. */
static const struct amba_id vfio_forward_amba_ids[] = {
	{ }
};

static struct amba_driver vfio_forward_amba_driver = {
	.probe		= vfio_forward_amba_probe,
	.remove		= vfio_forward_amba_remove,
	.id_table	= vfio_forward_amba_ids,
	.drv = {
		.owner = THIS_MODULE,
		.name = VFIO_FORWARD_NAME,
		.dev_groups = vfio_forward_attribute_groups,
	},
	.driver_managed_dma = true,
};

int vfio_forward_amba_register(void)
{
	return amba_driver_register(&vfio_forward_amba_driver);
}

void vfio_forward_amba_unregister(void)
{
	amba_driver_unregister(&vfio_forward_amba_driver);
}
