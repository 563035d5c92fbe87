// SPDX-License-Identifier: Apache-2.0
/*
 * Everything at once: one thread closes and opens the device while others give it memory and take it away, use its lines,
 * make it interrupt, read and map it.  Each call may fail; the kernel may not.  For a ZynqMP DMA engine, see
 * interrupts.c.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

#define BOTH		(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define HOLE		0x008
#define STATUS		0x100
#define ENABLE		0x108

static struct subject *shared;
static void *memory;
static uint64_t base;
static unsigned long rounds;
static int trigger, mask, unmask;
static bool ended;
static unsigned long attempts;
static unsigned long given, lost, heard, mapped;	/* how often; what never happens proves nothing */

static void count_one(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static bool over(void)
{
	return __atomic_load_n(&ended, __ATOMIC_RELAXED);
}

static int device(void)
{
	return __atomic_load_n(&shared->device, __ATOMIC_RELAXED);
}

/* Waits until the threads that give memory have tried so many times more. */
static void await_attempts(unsigned long more)
{
	unsigned long until = __atomic_load_n(&attempts, __ATOMIC_RELAXED) + more;

	while (__atomic_load_n(&attempts, __ATOMIC_RELAXED) < until && !over())
		sched_yield();
}

/* Decides how long all of it takes. */
static void *reopen(void *unused)
{
	unsigned long round, yields;
	int next;

	for (round = 0; round < rounds; round++) {
		await_attempts(round % 64);
		next = device();
		/* Calls that are under way keep it open; now and then they get the time to end. */
		__atomic_store_n(&shared->device, -1, __ATOMIC_RELAXED);
		close(next);
		for (yields = 0; yields < round % 2 * 64; yields++)
			sched_yield();
		next = ioctl(shared->group, VFIO_GROUP_GET_DEVICE_FD, shared->name);
		if (next < 0)
			require("the device can be opened again", false);
		__atomic_store_n(&shared->device, next, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&ended, true, __ATOMIC_RELAXED);
	return unused;
}

/* Alone in this: type 1 does not stand two threads that unmap what is pinned. */
static void *remap(void *unused)
{
	unsigned long round;

	for (round = 0; !over(); round++) {
		if (map_dma(shared, memory, base, GIGABYTE, BOTH))
			require("the memory can be mapped again", false);
		await_attempts(round % 16);
		if (unmap_dma(shared, base, GIGABYTE))
			require("the memory can be unmapped again", false);
	}
	return unused;
}

static void *give(void *unused)
{
	struct {
		struct vfio_device_feature header;
		struct vfio_forward_direct direct;
		struct vfio_forward_direct_range range;
	} request;
	unsigned long round;

	for (round = 0; !over(); round++) {
		request.header.argsz = sizeof(request);
		request.header.flags = VFIO_DEVICE_FEATURE_SET | VFIO_FORWARD_FEATURE_DIRECT;
		request.direct = (struct vfio_forward_direct){ .count = round % 4 ? 1 : 0 };
		/* Every other time it fails, after it has pinned something. */
		request.range.iova = base + (round % 2 ? GIGABYTE / 2 : 0);
		request.range.size = GIGABYTE;
		if (!ioctl(device(), VFIO_DEVICE_FEATURE, &request) && request.direct.count)
			count_one(&given);
		count_one(&attempts);
		request.header.flags = VFIO_DEVICE_FEATURE_GET | VFIO_FORWARD_FEATURE_DIRECT;
		if (!ioctl(device(), VFIO_DEVICE_FEATURE, &request) &&
		    request.direct.state == VFIO_FORWARD_DIRECT_LOST)
			count_one(&lost);
	}
	return unused;
}

static void *use_lines(void *unused)
{
	const int eventfds[] = { trigger, mask, unmask, -1, -1 };
	const uint32_t actions[] = {
		VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK,
	};
	unsigned int seed = (uintptr_t)&seed;

	while (!over()) {
		set_eventfd(device(), actions[rand_r(&seed) % 3], 0, eventfds[rand_r(&seed) % 5]);
		set_irqs(device(), VFIO_IRQ_SET_DATA_NONE | actions[rand_r(&seed) % 3], 0, 0, 1, NULL, 0);
	}
	return unused;
}

static void *signal_lines(void *unused)
{
	unsigned long round;

	for (round = 0; !over(); round++) {
		eventfd_add(round % 2 ? mask : unmask);
		if (signalled(trigger, 0))
			count_one(&heard);
	}
	return unused;
}

static void *use_registers(void *unused)
{
	volatile uint32_t *registers;
	unsigned long round;
	uint32_t word;

	for (round = 0; !over(); round++) {
		pread(device(), &word, sizeof(word), STATUS);
		registers = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, device(), 0);
		if (registers == MAP_FAILED)
			continue;
		count_one(&mapped);
		registers[ENABLE / 4] = 1;
		(void)registers[HOLE / 4];
		if (round % 2)
			registers[STATUS / 4] = 1;
		munmap((void *)registers, PAGE);
	}
	return unused;
}

void run_race(struct subject *subject, unsigned long count)
{
	void *(*const bodies[])(void *) = {
		reopen, remap, give, give, use_lines, use_lines, signal_lines, use_registers,
	};
	pthread_t threads[sizeof(bodies) / sizeof(bodies[0])];
	size_t index;

	shared = subject;
	rounds = count;
	memory = huge_page(&base);
	trigger = new_eventfd();
	mask = new_eventfd();
	unmask = new_eventfd();
	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	for (index = 0; index < sizeof(bodies) / sizeof(bodies[0]); index++)
		if (pthread_create(&threads[index], NULL, bodies[index], NULL))
			require("a thread can be started", false);
	for (index = 0; index < sizeof(bodies) / sizeof(bodies[0]); index++)
		pthread_join(threads[index], NULL);
	require("memory was given", given);
	require("and lost", lost);
	require("interrupts were heard", heard);
	require("registers were mapped", mapped);
	close_all(subject);
}
