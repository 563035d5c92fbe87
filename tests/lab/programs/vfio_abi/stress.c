// SPDX-License-Identifier: Apache-2.0
/* Many times over, and at random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

void run_cycles(struct subject *subject, unsigned long count)
{
	int trigger = new_eventfd();
	int unmask = new_eventfd();
	unsigned long round;
	bool well = true;

	for (round = 0; round < count; round++) {
		open_group(subject, VFIO_TYPE1v2_IOMMU);
		open_device(subject);
		give_no_memory(subject);
		well &= !set_eventfd(subject->device, VFIO_IRQ_SET_ACTION_TRIGGER, 0, trigger);
		if (subject->level)
			well &= !set_eventfd(subject->device, VFIO_IRQ_SET_ACTION_UNMASK, 0, unmask);
		well &= !set_irqs(subject->device, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, 0, 1, NULL, 0);
		well &= signalled(trigger, 1000);
		close_all(subject);
	}
	require("every time it was opened, interrupted and closed", well);
}

/* Mostly small numbers, now and then an extreme one. */
static uint32_t some(unsigned int below)
{
	static const uint32_t extreme[] = { UINT32_MAX, UINT32_MAX - 1, 1U << 31, 1U << 16, 255 };

	return random() % 16 ? random() % below : extreme[random() % 5];
}

static void random_irqs(struct subject *subject, const int *files, unsigned int count)
{
	union {
		struct vfio_irq_set set;
		int32_t words[16];
	} request;
	unsigned int word;

	for (word = 0; word < 16; word++)
		request.words[word] = random() % 4 ? files[random() % count] : (int32_t)some(64);
	request.set.argsz = some(64);
	request.set.flags = some(128);
	request.set.index = some(3);
	request.set.start = some(2);
	request.set.count = some(3);
	ioctl(subject->device, VFIO_DEVICE_SET_IRQS, &request);
}

static void random_information(struct subject *subject)
{
	static const unsigned long requests[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO, VFIO_DEVICE_RESET,
	};
	uint32_t words[16];
	unsigned int word;

	for (word = 0; word < 16; word++)
		words[word] = some(64);
	if (random() % 2)
		ioctl(subject->device, requests[random() % 4], words);
	else
		ioctl(subject->device, _IO(VFIO_TYPE, VFIO_BASE + random() % 32), words);
}

static void random_feature(struct subject *subject)
{
	uint32_t words[64];
	unsigned int word;

	for (word = 0; word < 64; word++)
		words[word] = random() % 2 ? 0 : some(4096);
	words[0] = some(256);
	words[1] = (random() % 8) << 16 | (random() % 4 ? 0x4d00 + random() % 4 : some(16));
	ioctl(subject->device, VFIO_DEVICE_FEATURE, words);
}

/* Not the registers' contents: an access that the bus refuses is fatal in any driver. */
static void random_access(struct subject *subject)
{
	uint64_t offset = (uint64_t)some(3) << VFIO_FORWARD_OFFSET_SHIFT;
	char buffer[16];
	void *address;

	offset += random() % 2 ? subject->size + some(4096) : some(4096) * PAGE + subject->size;
	if (pread(subject->device, buffer, random() % sizeof(buffer), offset) > 0)
		require("nothing is read outside a region", false);
	address = mmap(NULL, random() % 4 * PAGE, random() % 8, random() % 4, subject->device, offset & -PAGE);
	if (address != MAP_FAILED)
		require("nothing is mapped outside a region", false);
}

void run_fuzz(struct subject *subject, unsigned long seed, unsigned long count)
{
	int files[6] = { new_eventfd(), new_eventfd(), -1, 1000, 0, 0 };
	uint64_t one = 1;
	unsigned long round;

	srandom(seed);
	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	files[4] = subject->device;
	files[5] = subject->container;
	for (round = 0; round < count; round++) {
		switch (random() % 8) {
		case 0:
			random_information(subject);
			break;
		case 1:
			random_feature(subject);
			break;
		case 2:
			random_access(subject);
			break;
		case 3:
			if (write(files[random() % 2], &one, sizeof(one)) != sizeof(one))
				signalled(files[random() % 2], 0);
			break;
		case 4:
			if (random() % 64)
				break;
			close(subject->device);
			open_device(subject);
			files[4] = subject->device;
			break;
		default:
			random_irqs(subject, files, 6);
		}
	}
	require("all of it was survived", true);
	close_all(subject);
}

/* Open, with line 0 in use, until the other end of standard input is closed. */
void hold_open(struct subject *subject)
{
	char byte;

	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	give_no_memory(subject);
	if (set_eventfd(subject->device, VFIO_IRQ_SET_ACTION_TRIGGER, 0, new_eventfd()))
		require("the line can be used", false);
	printf("open\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		continue;
	close_all(subject);
}
