// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

#define MAP_HUGE_1GB	(30 << 26)

void *const NOWHERE = (void *)8;

static int failed;

void report(const char *what, int expected, int got)
{
	bool same = expected == got;

	failed += !same;
	if (same)
		printf("ok    %s: %s\n", what, strerrorname_np(got) ? strerrorname_np(got) : "0");
	else
		printf("WRONG %s: expected %s, got %s\n", what, expected ? strerrorname_np(expected) : "success",
		       got ? strerrorname_np(got) : "success");
}

void require(const char *what, bool holds)
{
	failed += !holds;
	printf("%s %s\n", holds ? "ok   " : "WRONG", what);
}

int failures(void)
{
	return failed;
}

static void must(const char *what, long result)
{
	if (result >= 0)
		return;
	printf("WRONG cannot %s: %s\n", what, strerror(errno));
	exit(2);
}

void open_group(struct subject *subject, int iommu_type)
{
	subject->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	must("open the container", subject->container);
	subject->group = open(subject->group_path, O_RDWR | O_CLOEXEC);
	must("open the group", subject->group);
	must("set the container", ioctl(subject->group, VFIO_GROUP_SET_CONTAINER, &subject->container));
	must("set the IOMMU", ioctl(subject->container, VFIO_SET_IOMMU, iommu_type));
	subject->device = -1;
}

void open_device(struct subject *subject)
{
	subject->device = ioctl(subject->group, VFIO_GROUP_GET_DEVICE_FD, subject->name);
	must("open the device", subject->device);
}

void close_all(struct subject *subject)
{
	if (subject->device >= 0)
		close(subject->device);
	close(subject->group);
	close(subject->container);
}

void give_no_memory(struct subject *subject)
{
	if (subject->direct)
		must("give no memory", direct_set(subject->device, 0, NULL));
}

uint64_t physical_address(const void *address)
{
	uint64_t entry = 0;
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	must("open pagemap", pagemap);
	must("read pagemap", pread(pagemap, &entry, sizeof(entry), (uintptr_t)address / PAGE * sizeof(entry)));
	close(pagemap);
	return (entry & ((1UL << 55) - 1)) * PAGE;
}

static void *memory(unsigned long size, int flags, uint64_t *physical)
{
	char *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | flags, -1, 0);

	must("get memory", address == MAP_FAILED ? -1 : 0);
	*(volatile char *)address = 1;
	*physical = physical_address(address);
	return address;
}

void *huge_page(uint64_t *physical)
{
	return memory(GIGABYTE, MAP_HUGETLB | MAP_HUGE_1GB, physical);
}

void *small_page(uint64_t *physical)
{
	return memory(PAGE, MAP_LOCKED, physical);
}

int map_dma(struct subject *subject, const void *address, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .flags = flags, .vaddr = (uintptr_t)address, .iova = iova, .size = size,
	};

	return ioctl(subject->container, VFIO_IOMMU_MAP_DMA, &map);
}

int unmap_dma(struct subject *subject, uint64_t iova, uint64_t size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = iova, .size = size };

	return ioctl(subject->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

int new_eventfd(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	must("make an eventfd", fd);
	return fd;
}

bool signalled(int eventfd, int milliseconds)
{
	struct pollfd poll_ = { .fd = eventfd, .events = POLLIN };
	uint64_t count;

	return poll(&poll_, 1, milliseconds) == 1 && read(eventfd, &count, sizeof(count)) == sizeof(count);
}

/* Adds one; does nothing when the eventfd is full. */
void eventfd_add(int eventfd)
{
	uint64_t one = 1;

	if (write(eventfd, &one, sizeof(one)) != sizeof(one) && errno != EAGAIN)
		require("an eventfd can be written", false);
}

long set_irqs(int device, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const void *data,
	      size_t size)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + 64];
	} request = { .set = { .argsz = sizeof(struct vfio_irq_set) + size, .flags = flags, .index = index,
			       .start = start, .count = count } };

	if (size)
		memcpy(request.set.data, data, size);
	return ioctl(device, VFIO_DEVICE_SET_IRQS, &request);
}

long set_eventfd(int device, uint32_t action, uint32_t index, int32_t eventfd)
{
	return set_irqs(device, VFIO_IRQ_SET_DATA_EVENTFD | action, index, 0, 1, &eventfd, sizeof(eventfd));
}

long feature(int device, uint32_t flags, void *data, size_t size)
{
	static char room[8192] __attribute__((aligned(8)));
	struct vfio_device_feature *request = (void *)room;
	long result;

	request->argsz = sizeof(*request) + size;
	request->flags = flags;
	if (data)
		memcpy(request->data, data, size);
	result = ioctl(device, VFIO_DEVICE_FEATURE, request);
	if (data)
		memcpy(data, request->data, size);
	return result;
}

long direct_set(int device, uint32_t count, const struct vfio_forward_direct_range *ranges)
{
	static char room[4096] __attribute__((aligned(8)));
	struct vfio_forward_direct *direct = (void *)room;
	size_t size = count * sizeof(*ranges);

	*direct = (struct vfio_forward_direct){ .count = count };
	if (size)
		memcpy(direct->ranges, ranges, size);
	return feature(device, VFIO_DEVICE_FEATURE_SET | VFIO_FORWARD_FEATURE_DIRECT, direct,
		       sizeof(*direct) + size);
}

struct vfio_forward_direct direct_get(int device)
{
	struct vfio_forward_direct direct = { 0 };

	must("read the state of direct DMA",
	     feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_FORWARD_FEATURE_DIRECT, &direct, sizeof(direct)));
	return direct;
}

struct vfio_forward_counters counters(int device, uint32_t index)
{
	struct vfio_forward_counters counters = { .index = index };

	must("read the counters", feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_FORWARD_FEATURE_COUNTERS,
					  &counters, sizeof(counters)));
	return counters;
}

uint64_t region_offset(int device, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

	must("describe a region", ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &info));
	return info.offset;
}
