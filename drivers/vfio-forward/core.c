// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-forward: a VFIO bus driver for platform devices.
 *
 * This file makes VFIO devices of what the buses bring, opens and closes them,
 * and hands every request to the file that knows its subject.
 */
#include <linux/capability.h>
#include <linux/iommu.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "internal.h"

static bool direct_dma;
module_param(direct_dma, bool, 0444);
MODULE_PARM_DESC(direct_dma,
		 "Accept devices without an IOMMU: they can reach all of memory");

static int vfio_forward_init(struct vfio_device *core)
{
	struct vfio_forward_device *device = vfio_forward_of(core);

	mutex_init(&device->lock);
	mutex_init(&device->irq_lock);
	vfio_forward_direct_init(device);
	return 0;
}

static void vfio_forward_release(struct vfio_device *core)
{
	struct vfio_forward_device *device = vfio_forward_of(core);

	vfio_forward_lines_release(device);
	vfio_forward_regions_release(device);
	vfio_free_device(core);
}

static int vfio_forward_open(struct vfio_device *core)
{
	struct vfio_forward_device *device = vfio_forward_of(core);
	int ret;

	if (device->direct && !capable(CAP_SYS_RAWIO))
		return -EPERM;

	ret = vfio_forward_power_on(device);
	if (ret)
		return ret;

	if (device->direct) {
		if (!device->warned)
			dev_warn(core->dev,
				 "direct DMA: given to %s (%d), which can reach all of memory\n",
				 current->comm, task_pid_nr(current));
		device->warned = true;
		add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	}

	vfio_forward_lines_open(device);
	vfio_forward_kvm_open(device);
	return 0;
}

/*
 * The order is what matters here.  The device falls silent first: nobody
 * hears its interrupts, a reset stops what it does, its power and clocks go.
 * Only then do its pages become somebody else's.  No mapping of a region is
 * left, since each holds a reference on the device file.
 */
static void vfio_forward_close(struct vfio_device *core)
{
	struct vfio_forward_device *device = vfio_forward_of(core);

	vfio_forward_lines_close(device);
	vfio_forward_kvm_close(device);
	vfio_forward_regions_close(device);
	vfio_forward_power_off(device);
	vfio_forward_direct_close(device);
}

static long vfio_forward_device_info(struct vfio_forward_device *device,
				     void __user *argument)
{
	const size_t size = offsetofend(struct vfio_device_info, num_irqs);
	struct vfio_device_info info;

	if (copy_from_user(&info, argument, size))
		return -EFAULT;
	if (info.argsz < size)
		return -EINVAL;

	info.flags = VFIO_DEVICE_FLAGS_PLATFORM;
	if (device->can_reset)
		info.flags |= VFIO_DEVICE_FLAGS_RESET;
	info.num_regions = device->num_regions;
	info.num_irqs = device->num_lines;

	return copy_to_user(argument, &info, size) ? -EFAULT : 0;
}

static long vfio_forward_ioctl(struct vfio_device *core, unsigned int command,
			       unsigned long argument)
{
	struct vfio_forward_device *device = vfio_forward_of(core);
	void __user *user = (void __user *)argument;

	switch (command) {
	case VFIO_DEVICE_GET_INFO:
		return vfio_forward_device_info(device, user);
	case VFIO_DEVICE_GET_REGION_INFO:
		return vfio_forward_region_info(device, user);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return vfio_forward_irq_info(device, user);
	case VFIO_DEVICE_SET_IRQS:
		return vfio_forward_set_irqs(device, user);
	case VFIO_DEVICE_RESET:
		return vfio_forward_reset(device);
	default:
		return -ENOTTY;
	}
}

static int vfio_forward_feature(struct vfio_device *core, u32 flags,
				void __user *argument, size_t size)
{
	struct vfio_forward_device *device = vfio_forward_of(core);

	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_FORWARD_FEATURE_FORWARD:
		return vfio_forward_route(device, flags, argument, size);
	case VFIO_FORWARD_FEATURE_DIRECT:
		return vfio_forward_direct(device, flags, argument, size);
	case VFIO_FORWARD_FEATURE_COUNTERS:
		return vfio_forward_counters(device, flags, argument, size);
	default:
		return -ENOTTY;
	}
}

static const struct vfio_device_ops vfio_forward_iommu_ops = {
	.name		= VFIO_FORWARD_NAME,
	.init		= vfio_forward_init,
	.release	= vfio_forward_release,
	.open_device	= vfio_forward_open,
	.close_device	= vfio_forward_close,
	.ioctl		= vfio_forward_ioctl,
	.device_feature	= vfio_forward_feature,
	.read		= vfio_forward_read,
	.write		= vfio_forward_write,
	.mmap		= vfio_forward_mmap,
};

/* VFIO pins pages only for devices that hear of their going: dma_unmap. */
static const struct vfio_device_ops vfio_forward_direct_ops = {
	.name		= VFIO_FORWARD_NAME,
	.init		= vfio_forward_init,
	.release	= vfio_forward_release,
	.open_device	= vfio_forward_open,
	.close_device	= vfio_forward_close,
	.ioctl		= vfio_forward_ioctl,
	.device_feature	= vfio_forward_feature,
	.read		= vfio_forward_read,
	.write		= vfio_forward_write,
	.mmap		= vfio_forward_mmap,
	.dma_unmap	= vfio_forward_dma_unmap,
};

/* Says in the log why a device cannot be had; VFIO itself says nothing. */
static int vfio_forward_check(struct device *dev, const char *driver_override)
{
	/* A device that is called vfio-forward would match by its name. */
	if (!driver_override || strcmp(driver_override, VFIO_FORWARD_NAME))
		return dev_err_probe(dev, -ENODEV,
				     "bound by driver_override only\n");

	if (!device_iommu_mapped(dev)) {
		if (direct_dma)
			return 0;
		return dev_err_probe(dev, -EPERM,
				     "no IOMMU; needs the module parameter direct_dma=1\n");
	}

	if (!device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY))
		return dev_err_probe(dev, -EOPNOTSUPP,
				     "its IOMMU does not keep DMA coherent with the caches\n");
	return 0;
}

static int vfio_forward_describe(struct vfio_forward_device *device)
{
	int ret;

	ret = vfio_forward_regions_init(device);
	if (ret)
		return ret;
	ret = vfio_forward_lines_init(device);
	if (ret)
		return ret;
	return vfio_forward_power_init(device);
}

/* Runtime PM is enabled; whoever called disables it when this fails. */
int vfio_forward_bind(struct device *dev, const struct vfio_forward_bus *bus,
		      const char *driver_override)
{
	struct vfio_forward_device *device;
	bool direct;
	int ret;

	ret = vfio_forward_check(dev, driver_override);
	if (ret)
		return ret;

	direct = !device_iommu_mapped(dev);
	device = vfio_alloc_device(vfio_forward_device, core, dev,
				   direct ? &vfio_forward_direct_ops :
					    &vfio_forward_iommu_ops);
	if (IS_ERR(device))
		return PTR_ERR(device);
	device->bus = bus;
	device->direct = direct;

	ret = vfio_forward_describe(device);
	if (ret)
		goto put;

	/* Before the device can be opened, or its attributes read. */
	dev_set_drvdata(dev, device);

	ret = direct ? vfio_register_emulated_iommu_dev(&device->core) :
		       vfio_register_group_dev(&device->core);
	if (ret) {
		dev_err(dev, "VFIO does not take the device: %d\n", ret);
		goto put;
	}
	return 0;

put:
	vfio_put_device(&device->core);
	return ret;
}

/* Waits until the last user has closed the device. */
void vfio_forward_unbind(struct device *dev)
{
	struct vfio_forward_device *device = dev_get_drvdata(dev);

	vfio_unregister_group_dev(&device->core);
	vfio_put_device(&device->core);
}

static int __init vfio_forward_load(void)
{
	int ret;

	vfio_forward_find_vgic();
	ret = vfio_forward_platform_register();
	if (ret)
		return ret;
	ret = vfio_forward_amba_register();
	if (ret)
		vfio_forward_platform_unregister();
	return ret;
}
module_init(vfio_forward_load);

static void __exit vfio_forward_unload(void)
{
	vfio_forward_amba_unregister();
	vfio_forward_platform_unregister();
}
module_exit(vfio_forward_unload);

MODULE_DESCRIPTION("VFIO for platform devices of Arm hosts");
MODULE_AUTHOR("The Midway authors");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
