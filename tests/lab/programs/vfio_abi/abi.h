/* SPDX-License-Identifier: Apache-2.0 */
/* What the checks of the raw VFIO platform ABI share.  Nothing here knows Midway. */
#ifndef ABI_H
#define ABI_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vfio.h>

#include "vfio_forward.h"

#define PAGE		4096UL
#define GIGABYTE	(1UL << 30)
extern void *const NOWHERE;	/* an address that cannot be read; the compiler must not know */

/* The device under test and what the caller says is true of it. */
struct subject {
	const char *group_path;
	const char *name;
	int container;
	int group;
	int device;
	unsigned int regions;
	unsigned int lines;
	unsigned long size;	/* of region 0 */
	bool mappable;		/* region 0 */
	bool level;		/* line 0 */
	bool direct;		/* no IOMMU */
	unsigned long constant;	/* offset of a register in region 0 that keeps its value */
	unsigned long hole;	/* an offset in region 0 at which the bus answers with an abort; 0: none */
	bool reset;		/* has a reset of its own */
	bool unverified;	/* the driver lets its registers be used without DIRECT */
};

/* Prints one line; a result that is not the expected one is counted. */
void report(const char *what, int expected, int got);
void require(const char *what, bool holds);
int failures(void);

/* The errno that the expression should end with; 0 for success. */
#define EXPECT(what, expected, expression)				\
	do {								\
		errno = 0;						\
		long expect_result_ = (long)(expression);		\
		report(what, expected, expect_result_ < 0 ? errno : 0);	\
	} while (0)

/* Setting up.  Each of them ends the program when it fails. */
void open_group(struct subject *subject, int iommu_type);
void open_device(struct subject *subject);
void close_all(struct subject *subject);
void give_no_memory(struct subject *subject);
void *huge_page(uint64_t *physical);
void *small_page(uint64_t *physical);
uint64_t physical_address(const void *address);
int map_dma(struct subject *subject, const void *address, uint64_t iova, uint64_t size, uint32_t flags);
int unmap_dma(struct subject *subject, uint64_t iova, uint64_t size);
int new_eventfd(void);
bool signalled(int eventfd, int milliseconds);
void eventfd_add(int eventfd);

/* Thin forms of the ioctls. */
long set_irqs(int device, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const void *data,
	      size_t size);
long set_eventfd(int device, uint32_t action, uint32_t index, int32_t eventfd);
long feature(int device, uint32_t flags, void *data, size_t size);
long direct_set(int device, uint32_t count, const struct vfio_forward_direct_range *ranges);
struct vfio_forward_direct direct_get(int device);
struct vfio_forward_counters counters(int device, uint32_t index);
uint64_t region_offset(int device, uint32_t index);

/* The commands. */
void check_opening(struct subject *subject);
void check_information(struct subject *subject);
void check_registers(struct subject *subject);
void check_lines(struct subject *subject);
void check_features(struct subject *subject);
void check_direct(struct subject *subject);
void check_interrupts(struct subject *subject);
void run_cycles(struct subject *subject, unsigned long count);
void run_fuzz(struct subject *subject, unsigned long seed, unsigned long count);
void run_race(struct subject *subject, unsigned long count);
void hold_open(struct subject *subject);

#endif
