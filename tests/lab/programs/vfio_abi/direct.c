// SPDX-License-Identifier: Apache-2.0
/* Direct DMA: what memory a device without an IOMMU is given.  Needs one free huge page of 1 GiB. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

#define BOTH	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define SET	(VFIO_DEVICE_FEATURE_SET | VFIO_FORWARD_FEATURE_DIRECT)

static long one_range(struct subject *subject, uint64_t iova, uint64_t size)
{
	struct vfio_forward_direct_range range = { .iova = iova, .size = size };

	return direct_set(subject->device, 1, &range);
}

static void check_requests(struct subject *subject, uint64_t base)
{
	struct vfio_forward_direct_range many[VFIO_FORWARD_DIRECT_MAX + 1];
	struct vfio_forward_direct_range pair[2];
	struct vfio_forward_direct head = { 0 };
	int device = subject->device;

	EXPECT("SET, short by one", EINVAL, feature(device, SET, &head, sizeof(head) - 1));
	head.count = 1;
	EXPECT("SET of a range that is not there", EINVAL, feature(device, SET, &head, sizeof(head)));
	head = (struct vfio_forward_direct){ .flags = 1 };
	EXPECT("SET with a flag", EINVAL, feature(device, SET, &head, sizeof(head)));
	head = (struct vfio_forward_direct){ .state = 1 };
	EXPECT("SET with a state", EINVAL, feature(device, SET, &head, sizeof(head)));
	head = (struct vfio_forward_direct){ .reserved = 1 };
	EXPECT("SET with something reserved", EINVAL, feature(device, SET, &head, sizeof(head)));
	head = (struct vfio_forward_direct){ .bytes = 1 };
	EXPECT("SET with a number of bytes", EINVAL, feature(device, SET, &head, sizeof(head)));
	memset(many, 0, sizeof(many));
	EXPECT("more ranges than allowed", E2BIG, direct_set(device, VFIO_FORWARD_DIRECT_MAX + 1, many));

	EXPECT("an empty range", EINVAL, one_range(subject, base, 0));
	EXPECT("a range that starts inside a page", EINVAL, one_range(subject, base + 512, PAGE));
	EXPECT("a range that ends inside a page", EINVAL, one_range(subject, base, PAGE + 512));
	EXPECT("a range that wraps", EINVAL, one_range(subject, -PAGE, 2 * PAGE));
	EXPECT("a range up to the very end", EINVAL, one_range(subject, -PAGE, PAGE));
	EXPECT("a range that is not mapped", EINVAL, one_range(subject, base + GIGABYTE, PAGE));
	EXPECT("a range of which the end is not mapped", EINVAL, one_range(subject, base, GIGABYTE + PAGE));
	pair[0] = (struct vfio_forward_direct_range){ base, 4 * PAGE };
	pair[1] = (struct vfio_forward_direct_range){ base + 3 * PAGE, 4 * PAGE };
	EXPECT("ranges that overlap", EINVAL, direct_set(device, 2, pair));
	pair[1] = pair[0];
	EXPECT("a range given twice", EINVAL, direct_set(device, 2, pair));
	require("nothing is held after what was refused", direct_get(device).state == VFIO_FORWARD_DIRECT_NONE &&
							   direct_get(device).bytes == 0);
}

/* Pages that are not at their own addresses, after one that is: all or nothing. */
static void check_identity(struct subject *subject, uint64_t base)
{
	uint64_t physical;
	void *page = small_page(&physical);
	struct vfio_forward_direct_range pair[2] = { { base, GIGABYTE }, { 0x100000000UL, PAGE } };

	EXPECT("map a page where it is not", 0, map_dma(subject, page, 0x100000000UL, PAGE, BOTH));
	EXPECT("a range that is elsewhere", EXDEV, one_range(subject, 0x100000000UL, PAGE));
	EXPECT("one good range and one elsewhere", EXDEV, direct_set(subject->device, 2, pair));
	require("nothing of it is held", direct_get(subject->device).state == VFIO_FORWARD_DIRECT_NONE);
	EXPECT("unmap it", 0, unmap_dma(subject, 0x100000000UL, PAGE));

	EXPECT("map a small page where it is", 0, map_dma(subject, page, physical, PAGE, BOTH));
	pair[1] = (struct vfio_forward_direct_range){ physical, PAGE };
	EXPECT("a huge and a small page", 0, direct_set(subject->device, 2, pair));
	require("both are held", direct_get(subject->device).bytes == GIGABYTE + PAGE);
	close(subject->device);
	open_device(subject);
	EXPECT("unmap it", 0, unmap_dma(subject, physical, PAGE));
	munmap(page, PAGE);
}

static void check_held(struct subject *subject, uint64_t base)
{
	struct vfio_forward_direct_range parts[3] = {
		{ base, PAGE }, { base + PAGE, GIGABYTE / 2 }, { base + GIGABYTE / 2 + PAGE, GIGABYTE / 2 - PAGE },
	};
	struct vfio_forward_direct direct;
	uint32_t word;

	EXPECT("one huge page in three ranges", 0, direct_set(subject->device, 3, parts));
	direct = direct_get(subject->device);
	require("it is held", direct.state == VFIO_FORWARD_DIRECT_HELD && direct.count == 3);
	require("all of it", direct.bytes == GIGABYTE);
	EXPECT("a read now", 0, pread(subject->device, &word, 4, region_offset(subject->device, 0)));
	EXPECT("memory given a second time", EBUSY, one_range(subject, base, PAGE));
	EXPECT("no memory after some", EBUSY, direct_set(subject->device, 0, NULL));
	close(subject->device);

	open_device(subject);
	require("nothing is held after a close", direct_get(subject->device).state == VFIO_FORWARD_DIRECT_NONE);
	EXPECT("a read after a close", EACCES, pread(subject->device, &word, 4, region_offset(subject->device, 0)));
	EXPECT("the whole page at once", 0, one_range(subject, base, GIGABYTE));
}

static unsigned long free_huge_pages(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "r");
	unsigned long count = 0;

	if (!file || fscanf(file, "%lu", &count) != 1)
		require("the number of free huge pages can be read", false);
	if (file)
		fclose(file);
	return count;
}

/* The user takes its memory away while the device has it. */
static void check_unmapped(struct subject *subject, void *memory, uint64_t base)
{
	unsigned long free_before = free_huge_pages();
	struct vfio_forward_direct direct;
	uint32_t word;

	EXPECT("unmap what the device has", 0, unmap_dma(subject, base, GIGABYTE));
	munmap(memory, GIGABYTE);
	direct = direct_get(subject->device);
	require("it is lost", direct.state == VFIO_FORWARD_DIRECT_LOST);
	require("but still held", direct.bytes == GIGABYTE && free_huge_pages() == free_before);
	EXPECT("a read then", EACCES, pread(subject->device, &word, 4, region_offset(subject->device, 0)));
	EXPECT("memory given then", EBUSY, direct_set(subject->device, 0, NULL));
	close(subject->device);
	subject->device = -1;
	require("the close gives it back", free_huge_pages() == free_before + 1);
}

void check_direct(struct subject *subject)
{
	uint64_t base;
	void *memory = huge_page(&base);

	open_group(subject, VFIO_TYPE1_IOMMU);
	open_device(subject);
	EXPECT("map into a container of type 1", 0, map_dma(subject, memory, base, GIGABYTE, BOTH));
	EXPECT("memory of such a container", EACCES, one_range(subject, base, GIGABYTE));
	close_all(subject);

	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	EXPECT("map for reading", 0, map_dma(subject, memory, base, GIGABYTE, VFIO_DMA_MAP_FLAG_READ));
	EXPECT("memory mapped for reading", EPERM, one_range(subject, base, GIGABYTE));
	EXPECT("unmap it", 0, unmap_dma(subject, base, GIGABYTE));

	EXPECT("map the huge page where it is", 0, map_dma(subject, memory, base, GIGABYTE, BOTH));
	check_requests(subject, base);
	check_identity(subject, base);
	check_held(subject, base);
	check_unmapped(subject, memory, base);
	close_all(subject);
}
