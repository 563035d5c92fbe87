/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What vfio-forward offers beside the standard VFIO platform ABI.
 *
 * Every extension is a VFIO_DEVICE_FEATURE: probe for it with
 * VFIO_DEVICE_FEATURE_PROBE, the feature's number and the operation wanted.
 * ENOTTY means that this device does not have it.  The structures below are
 * the feature's data; they are the same for 32-bit and 64-bit users.
 *
 * Numbers 0x4d00 and 0x4d02 belong to this driver too and are not in use.
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
 * DIRECT: direct DMA, for a device without an IOMMU (GET and SET).
 *
 * The device sees physical addresses.  SET names the memory that the device
 * may use, as ranges of the container's address space (a container of type
 * VFIO_TYPE1v2_IOMMU; the ranges must be mapped readable and writable).  The
 * driver pins every page and verifies that its physical address is equal to
 * its address in the container.  All ranges are accepted or none is.  The
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
	__aligned_u64	delivered;	/* interrupts signalled, loopback included */
	__aligned_u64	spurious;	/* handler entered with the line masked */
	__aligned_u64	masked_ns;	/* nanoseconds spent masked, up to now */
};

#endif /* _VFIO_FORWARD_H */
