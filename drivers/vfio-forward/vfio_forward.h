/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What vfio-forward offers beside the standard VFIO platform ABI.
 *
 * Every extension is a VFIO_DEVICE_FEATURE: probe for it with
 * VFIO_DEVICE_FEATURE_PROBE, the feature's number and the operation wanted.
 * ENOTTY means that this device does not have it.  The structures below are
 * the feature's data; they are the same for 32-bit and 64-bit users.
 *
 * Number 0x4d02 belongs to this driver too and is not in use.
 */
#ifndef _VFIO_FORWARD_H
#define _VFIO_FORWARD_H

#include <linux/types.h>

/*
 * Regions are found at (index << VFIO_FORWARD_OFFSET_SHIFT) in the device
 * file.  Use the offset that VFIO_DEVICE_GET_REGION_INFO reports.
 */
#define VFIO_FORWARD_OFFSET_SHIFT	40

/*
 * FORWARD: a level line's interrupts go straight into a guest's vGIC, as its
 * SPI, and the guest's EOI completes them in the host's interrupt controller
 * (GET and SET, one line each).
 *
 * Not offered (ENOTTY) where KVM's entry points were not found when the
 * module was loaded, or with the module parameter forward=0.
 *
 * The guest is that of the KVM-VFIO device to which the group was added
 * before the device was opened.  The line keeps its trigger, which must have
 * been set before and stay: without it the forwarding ends, at once.  SET
 * with WANTED, or without, says where the line's interrupts shall go from now
 * on, to the guest's vGIC or to the trigger.  An interrupt that is under way
 * is completed as it began.  The line changes sides with the first interrupt
 * after that, so that none is lost and none comes twice; ENGAGED says on which
 * side it is.  A SET with WANTED while it is forwarded to that SPI changes
 * limit and notify.
 *
 * While it is forwarded nobody else may raise or lower the SPI: to lower it
 * (KVM_IRQ_LINE, the end of an irqfd with resampling) takes an interrupt from
 * the guest that then never completes it.  Release the trigger before.
 *
 * A guest may complete interrupts of a device that is not quiet.  After limit
 * of them, and then after ever more, up to 64 times limit, one goes to the
 * trigger, so that the line can be looked at when the user unmasks it.  Is it
 * not asserted, the next one is forwarded again.  Is it asserted 1024 times in
 * a row, that is a storm: the line returns to its trigger as if a SET had said
 * so; notify is signalled, and STORMED stays set until the next SET.
 *
 * SET answers
 *   EINVAL	data too short; index or spi out of range; flags other than
 *		WANTED; a counter not 0; without WANTED, an spi or limit not 0 or
 *		a notify not -1; notify is no eventfd (or EBADF)
 *   EOPNOTSUPP	an edge line, which has nothing to complete; a line that does
 *		not reach the GIC directly; a host whose GIC does not split EOI
 *		and deactivation
 *   ENODEV	VFIO knows of no KVM
 *   ENXIO	the VM has no vGIC in the kernel
 *   EAGAIN	the vGIC is not initialised, or the VM has no vCPU
 *   ENOTCONN	the line has no trigger
 *   EBUSY	the line has another SPI already, or the SPI another line
 */
#define VFIO_FORWARD_FEATURE_FORWARD	0x4d00

#define VFIO_FORWARD_ROUTE_LIMIT	1000

struct vfio_forward_route {
	__u32		index;		/* in: the line, as in VFIO_DEVICE_SET_IRQS */
	__u32		flags;		/* SET: WANTED or 0; GET: in 0, out all */
#define VFIO_FORWARD_ROUTE_WANTED	(1 << 0)	/* to the guest's vGIC */
#define VFIO_FORWARD_ROUTE_ENGAGED	(1 << 1)	/* interrupts go there */
#define VFIO_FORWARD_ROUTE_STORMED	(1 << 2)	/* a storm ended it */
	__u32		spi;		/* INTID - 32, as KVM_IRQFD's gsi */
	__u32		limit;		/* interrupts before a look; SET: 0 is LIMIT */
	__s32		notify;		/* SET: an eventfd or -1; GET: -1 */
	__u32		reserved;	/* 0 */
	/* GET, since the device was opened; SET: 0 */
	__aligned_u64	forwarded;	/* interrupts injected */
	__aligned_u64	early;		/* of them, while the guest had the SPI disabled */
	__aligned_u64	switches;	/* changes of side, each way */
	__aligned_u64	storms;
};

/*
 * DIRECT: direct DMA, for a device without an IOMMU (GET and SET).
 *
 * The device sees physical addresses.  SET names the memory that the device
 * may use, as ranges of the container's address space (a container of type
 * VFIO_TYPE1v2_IOMMU; the ranges must be mapped readable and writable).  The
 * driver pins every page and verifies that its physical address is equal to
 * its address in the container.  Of a hugetlb page it takes the first that is
 * in the range, which is where all of it is.  All ranges are accepted or none
 * is.  The
 * pages belong to the device until it is closed, even when the user unmaps
 * them from the container earlier.
 *
 * No register of such a device can be read, written or mapped before a SET
 * has succeeded (EACCES).  A user whose device is given no memory says so
 * with a count of 0.
 *
 * GET needs room for the structure without ranges; it reports state, count
 * and bytes.
 *
 * SET answers
 *   EINVAL	data too short; flags, state, reserved or bytes not 0; a range
 *		that is empty, unaligned, wraps, overlaps another of the call,
 *		or is not mapped in the container
 *   E2BIG	more than VFIO_FORWARD_DIRECT_MAX ranges
 *   EPERM	a range is not mapped for writing
 *   EACCES	the container's type is not VFIO_TYPE1v2_IOMMU
 *   EXDEV	a page lies at another physical address
 *   EBUSY	memory was already given since the device was opened
 *   EFAULT	the data cannot be read, or a page is not there
 *   ENOMEM	the limit on locked memory (hugetlb pages count as one)
 *   EINTR	a fatal signal
 */
#define VFIO_FORWARD_FEATURE_DIRECT	0x4d01

#define VFIO_FORWARD_DIRECT_MAX		64

struct vfio_forward_direct_range {
	__aligned_u64	iova;		/* container address = physical address */
	__aligned_u64	size;		/* bytes, a multiple of the page size */
};

struct vfio_forward_direct {
	__u32		flags;		/* 0 */
	__u32		state;		/* GET: one of the states; SET: 0 */
#define VFIO_FORWARD_DIRECT_NONE	0	/* no SET has succeeded yet */
#define VFIO_FORWARD_DIRECT_HELD	1	/* verified and pinned */
#define VFIO_FORWARD_DIRECT_LOST	2	/* unmapped by the user since */
	__u32		count;		/* number of ranges */
	__u32		reserved;	/* 0 */
	__aligned_u64	bytes;		/* GET: bytes held in all; SET: 0 */
	struct vfio_forward_direct_range ranges[];
};

/*
 * COUNTERS: what happened on one line since the device was opened (GET).
 *
 * The caller fills in index; an index out of range or flags that are not 0
 * are answered with EINVAL.
 */
#define VFIO_FORWARD_FEATURE_COUNTERS	0x4d03

struct vfio_forward_counters {
	__u32		index;		/* in: the line, as in VFIO_DEVICE_SET_IRQS */
	__u32		flags;		/* in: 0 */
	__aligned_u64	delivered;	/* interrupts signalled or forwarded, loopback included */
	__aligned_u64	spurious;	/* interrupts, or loopbacks, of a masked line */
	__aligned_u64	masked_ns;	/* nanoseconds spent masked, up to now */
};

#endif /* _VFIO_FORWARD_H */
