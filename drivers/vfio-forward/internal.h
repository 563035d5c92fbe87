/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFIO_FORWARD_INTERNAL_H
#define VFIO_FORWARD_INTERNAL_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>

#include "vfio_forward.h"

#define VFIO_FORWARD_NAME	"vfio-forward"

struct attribute_group;
struct clk_bulk_data;
struct eventfd_ctx;
struct kvm;
struct reset_control;
struct resource;

/* How a bus describes its devices. */
struct vfio_forward_bus {
	/* A memory resource; NULL behind the last. */
	const struct resource *(*memory)(struct device *dev, unsigned int index);
	/* The number of interrupts, and the Linux irq of one; or an error. */
	int (*count_irqs)(struct device *dev);
	int (*irq)(struct device *dev, unsigned int index);
};

/* One memory resource. */
struct vfio_forward_region {
	phys_addr_t	start;
	resource_size_t	size;
	u32		flags;		/* VFIO_REGION_INFO_FLAG_* */
	void __iomem	*io;		/* made at first use; device->lock */
};

/* A guest's SPI, for a line whose interrupts go straight into its vGIC. */
struct vfio_forward_target {
	/*
	 * Changed with device->irq_lock and the claims' lock, while the line is
	 * neither wanted nor engaged; the handler reads them while it is.
	 */
	struct kvm	*kvm;		/* the line has an SPI while set */
	u32		intid;
	struct list_head claim;

	/* line->lock */
	bool		wanted;		/* what the user asked for, or a storm left */
	bool		engaged;	/* what is the case */
	bool		stormed;
	struct eventfd_ctx *notify;	/* of a storm */
	u32		limit;		/* forwarded before the first look */
	u32		interval;	/* ... before the next one */
	u32		until_look;	/* what is left of that */
	bool		looking;	/* interrupts take the old way */
	u32		asserted;	/* so many of them in a row */
	u64		forwarded;
	u64		early;
	u64		switches;
	u64		storms;
};

/* One interrupt of the device tree node.  Two may be the same Linux irq. */
struct vfio_forward_line {
	unsigned int	irq;
	u32		flags;		/* VFIO_IRQ_INFO_* */
	char		*name;		/* in /proc/interrupts */

	/* device->irq_lock */
	struct virqfd	*mask;
	struct virqfd	*unmask;

	/* Taken in the interrupt handler and in eventfd wake-ups. */
	spinlock_t	lock;
	struct eventfd_ctx *trigger;	/* the irq is requested while set */
	bool		masked;
	ktime_t		masked_since;
	u64		masked_ns;	/* of earlier times */
	u64		delivered;
	u64		spurious;

	struct vfio_forward_target target;
};

/* Memory given to a device that has no IOMMU. */
struct vfio_forward_memory {
	struct mutex	lock;		/* all of this; state is read without */
	u32		state;
	bool		attempted;	/* a SET got as far as pinning */
	u32		count;
	u64		bytes;
	struct vfio_forward_direct_range *ranges;
};

struct vfio_forward_device {
	struct vfio_device core;
	const struct vfio_forward_bus *bus;
	bool		direct;		/* no IOMMU: direct DMA */
	bool		warned;		/* of direct DMA, once per binding */

	struct clk_bulk_data *clocks;
	int		num_clocks;
	struct reset_control *reset;
	bool		reset_shared;
	bool		can_reset;	/* set at open, when a pulse worked */

	struct mutex	lock;		/* region->io, reset pulses */
	unsigned int	num_regions;
	struct vfio_forward_region *regions;

	struct mutex	irq_lock;	/* SET_IRQS, FORWARD */
	unsigned int	num_lines;
	struct vfio_forward_line *lines;

	struct kvm	*kvm;		/* while open; of VFIO's KVM device */

	struct vfio_forward_memory memory;
};

static inline struct vfio_forward_device *
vfio_forward_of(struct vfio_device *core)
{
	return container_of(core, struct vfio_forward_device, core);
}

/* core.c */
int vfio_forward_bind(struct device *dev, const struct vfio_forward_bus *bus,
		      const char *driver_override);
void vfio_forward_unbind(struct device *dev);

/* platform.c, amba.c: the buses */
int vfio_forward_platform_register(void);
void vfio_forward_platform_unregister(void);
#if IS_ENABLED(CONFIG_ARM_AMBA)
int vfio_forward_amba_register(void);
void vfio_forward_amba_unregister(void);
#else
static inline int vfio_forward_amba_register(void)
{
	return 0;
}

static inline void vfio_forward_amba_unregister(void)
{
}
#endif

/* power.c: power domains, clocks */
int vfio_forward_power_init(struct vfio_forward_device *device);
int vfio_forward_power_on(struct vfio_forward_device *device);
void vfio_forward_power_off(struct vfio_forward_device *device);
extern const struct attribute_group *vfio_forward_attribute_groups[];

/* reset.c */
int vfio_forward_reset_init(struct vfio_forward_device *device);
int vfio_forward_leave_reset(struct vfio_forward_device *device);
void vfio_forward_enter_reset(struct vfio_forward_device *device);
int vfio_forward_reset(struct vfio_forward_device *device);

/* region.c: registers */
int vfio_forward_regions_init(struct vfio_forward_device *device);
void vfio_forward_regions_release(struct vfio_forward_device *device);
void vfio_forward_regions_close(struct vfio_forward_device *device);
long vfio_forward_region_info(struct vfio_forward_device *device,
			      void __user *argument);
ssize_t vfio_forward_read(struct vfio_device *core, char __user *buffer,
			  size_t count, loff_t *position);
ssize_t vfio_forward_write(struct vfio_device *core, const char __user *buffer,
			   size_t count, loff_t *position);
int vfio_forward_mmap(struct vfio_device *core, struct vm_area_struct *vma);

/* irq.c: lines to eventfds */
int vfio_forward_lines_init(struct vfio_forward_device *device);
void vfio_forward_lines_release(struct vfio_forward_device *device);
void vfio_forward_lines_open(struct vfio_forward_device *device);
void vfio_forward_lines_close(struct vfio_forward_device *device);
void vfio_forward_mask(struct vfio_forward_line *line);
void vfio_forward_unmask(struct vfio_forward_line *line);
int vfio_forward_set_trigger(struct vfio_forward_device *device,
			     struct vfio_forward_line *line, int fd);
int vfio_forward_loopback(struct vfio_forward_line *line);
bool vfio_forward_is_busy(struct vfio_forward_line *line);
void vfio_forward_await_handler(struct vfio_forward_line *line);

/* set_irqs.c: what users ask of lines */
long vfio_forward_irq_info(struct vfio_forward_device *device,
			   void __user *argument);
long vfio_forward_set_irqs(struct vfio_forward_device *device,
			   void __user *argument);
int vfio_forward_counters(struct vfio_forward_device *device, u32 flags,
			  void __user *argument, size_t size);

/* vgic.c: a guest's vGIC */
#if IS_ENABLED(CONFIG_ARM64) && IS_ENABLED(CONFIG_KVM) && \
	IS_ENABLED(CONFIG_KPROBES)
void vfio_forward_find_vgic(void);
void vfio_forward_kvm_open(struct vfio_forward_device *device);
void vfio_forward_kvm_close(struct vfio_forward_device *device);
bool vfio_forward_vgic_offered(void);
int vfio_forward_vgic_check(struct kvm *kvm, u32 spi);
bool vfio_forward_vgic_map(const struct vfio_forward_target *target,
			   unsigned int irq);
void vfio_forward_vgic_unmap(const struct vfio_forward_target *target);
void vfio_forward_vgic_raise(const struct vfio_forward_target *target);
bool vfio_forward_vgic_is_enabled(const struct vfio_forward_target *target);
void vfio_forward_vgic_recall(const struct vfio_forward_target *target);

/* forward.c: lines to a guest's vGIC */
bool vfio_forward_inject(struct vfio_forward_line *line,
			 struct eventfd_ctx **notify);
void vfio_forward_stop(struct vfio_forward_line *line);
void vfio_forward_watch(struct vfio_forward_target *target, u32 limit);
void vfio_forward_look(struct vfio_forward_line *line);

/* route.c: which SPI a line has */
void vfio_forward_unclaim(struct vfio_forward_target *target);
int vfio_forward_route(struct vfio_forward_device *device, u32 flags,
		       void __user *argument, size_t size);
#else
static inline void vfio_forward_find_vgic(void)
{
}

static inline void vfio_forward_kvm_open(struct vfio_forward_device *device)
{
}

static inline void vfio_forward_kvm_close(struct vfio_forward_device *device)
{
}

static inline bool vfio_forward_inject(struct vfio_forward_line *line,
				       struct eventfd_ctx **notify)
{
	return false;
}

static inline void vfio_forward_stop(struct vfio_forward_line *line)
{
}

static inline void vfio_forward_look(struct vfio_forward_line *line)
{
}

static inline int vfio_forward_route(struct vfio_forward_device *device,
				     u32 flags, void __user *argument,
				     size_t size)
{
	return -ENOTTY;
}
#endif

/* direct.c: memory for a device without an IOMMU */
void vfio_forward_direct_init(struct vfio_forward_device *device);
void vfio_forward_direct_close(struct vfio_forward_device *device);
bool vfio_forward_registers_allowed(struct vfio_forward_device *device);
void vfio_forward_dma_unmap(struct vfio_device *core, u64 iova, u64 length);
int vfio_forward_direct(struct vfio_forward_device *device, u32 flags,
			void __user *argument, size_t size);

#endif /* VFIO_FORWARD_INTERNAL_H */
