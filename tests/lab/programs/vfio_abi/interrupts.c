// SPDX-License-Identifier: Apache-2.0
/*
 * Interrupts that come from hardware: those of a ZynqMP DMA engine, which raises one when a register is read that it
 * does not have.  No DMA is needed for that.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define HOLE		0x008	/* no register */
#define STATUS		0x100	/* written to clear */
#define ENABLE		0x108
#define INVALID		(1U << 0)

#define UNMASK		VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER		VFIO_IRQ_SET_ACTION_TRIGGER

static volatile uint32_t *registers;

static void store(unsigned long offset, uint32_t value)
{
	registers[offset / 4] = value;
}

static void raise_line(void)
{
	(void)registers[HOLE / 4];
}

static long unmask(struct subject *subject)
{
	return set_irqs(subject->device, VFIO_IRQ_SET_DATA_NONE | UNMASK, 0, 0, 1, NULL, 0);
}

static void check_automask(struct subject *subject, int trigger)
{
	raise_line();
	require("the device raises an interrupt", signalled(trigger, 2000));
	require("no further one comes while it is masked", !signalled(trigger, 100));
	EXPECT("unmask with the line still asserted", 0, unmask(subject));
	require("it fires again", signalled(trigger, 2000));
	store(STATUS, INVALID);
	EXPECT("unmask with the line quiet", 0, unmask(subject));
	require("it is silent", !signalled(trigger, 100));
	raise_line();
	require("and fires the next time", signalled(trigger, 2000));
	require("three interrupts were counted", counters(subject->device, 0).delivered == 3);
	require("and none that was spurious", counters(subject->device, 0).spurious == 0);
	require("with the time that the line was masked", counters(subject->device, 0).masked_ns >= 100000000);
}

/* An asserted line, masked, given up and taken again: nothing of it is lost. */
static void check_retaken(struct subject *subject, int trigger)
{
	EXPECT("give the masked line up", 0, set_eventfd(subject->device, TRIGGER, 0, -1));
	EXPECT("and take it again", 0, set_eventfd(subject->device, TRIGGER, 0, trigger));
	require("it is still masked", !signalled(trigger, 100));
	EXPECT("unmask", 0, unmask(subject));
	require("and still asserted", signalled(trigger, 2000));
	store(STATUS, INVALID);
	EXPECT("unmask", 0, unmask(subject));
}

static void check_eventfds(struct subject *subject, int trigger)
{
	int unmask_eventfd = new_eventfd();
	uint64_t one = 1;
	int round;
	bool heard = true;

	EXPECT("an unmask eventfd", 0, set_eventfd(subject->device, UNMASK, 0, unmask_eventfd));
	for (round = 0; round < 100; round++) {
		raise_line();
		heard &= signalled(trigger, 2000);
		store(STATUS, INVALID);
		if (write(unmask_eventfd, &one, sizeof(one)) != sizeof(one))
			heard = false;
	}
	require("a hundred interrupts, each unmasked by eventfd", heard);
	EXPECT("the unmask eventfd removed", 0, set_eventfd(subject->device, UNMASK, 0, -1));
	close(unmask_eventfd);
}

/* One eventfd to signal and to unmask, on an asserted line: a storm that must not take the machine along. */
static void check_storm(struct subject *subject, int trigger)
{
	const struct timespec while_ = { .tv_nsec = 300000000 };

	EXPECT("the trigger as unmask eventfd", 0, set_eventfd(subject->device, UNMASK, 0, trigger));
	raise_line();
	nanosleep(&while_, NULL);
	store(STATUS, INVALID);
	EXPECT("the machine lives to remove it", 0, set_eventfd(subject->device, UNMASK, 0, -1));
	require("many interrupts were delivered", counters(subject->device, 0).delivered > 110);
	EXPECT("unmask", 0, unmask(subject));
	signalled(trigger, 0);
}

void check_interrupts(struct subject *subject)
{
	int trigger = new_eventfd();

	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	give_no_memory(subject);
	registers = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, subject->device,
			 region_offset(subject->device, 0));
	require("the registers can be mapped", registers != MAP_FAILED);
	if (registers == MAP_FAILED)
		return;

	store(STATUS, INVALID);
	store(ENABLE, INVALID);
	EXPECT("a trigger", 0, set_eventfd(subject->device, TRIGGER, 0, trigger));
	check_automask(subject, trigger);
	check_retaken(subject, trigger);
	check_eventfds(subject, trigger);
	check_storm(subject, trigger);

	/* Left asserted: the close must quiet it. */
	raise_line();
	munmap((void *)registers, PAGE);
	close_all(subject);
	close(trigger);
}
