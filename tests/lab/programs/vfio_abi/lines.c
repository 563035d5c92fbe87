// SPDX-License-Identifier: Apache-2.0
/* SET_IRQS in all its forms. */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abi.h"

#define NONE		VFIO_IRQ_SET_DATA_NONE
#define BOOL		VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD		VFIO_IRQ_SET_DATA_EVENTFD
#define MASK		VFIO_IRQ_SET_ACTION_MASK
#define UNMASK		VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER		VFIO_IRQ_SET_ACTION_TRIGGER

static void check_headers(struct subject *subject)
{
	int device = subject->device;
	int32_t eventfd = new_eventfd();
	struct vfio_irq_set set = { .argsz = sizeof(set) - 1, .flags = NONE | TRIGGER, .count = 1 };
	uint8_t yes = 1;

	EXPECT("a request, argsz short by one", EINVAL, ioctl(device, VFIO_DEVICE_SET_IRQS, &set));
	EXPECT("a request at no address", EFAULT, ioctl(device, VFIO_DEVICE_SET_IRQS, NOWHERE));
	EXPECT("no kind of data", EINVAL, set_irqs(device, TRIGGER, 0, 0, 1, NULL, 0));
	EXPECT("two kinds of data", EINVAL, set_irqs(device, NONE | BOOL | TRIGGER, 0, 0, 1, &yes, 1));
	EXPECT("no action", ENOTTY, set_irqs(device, NONE, 0, 0, 1, NULL, 0));
	EXPECT("two actions", ENOTTY, set_irqs(device, NONE | MASK | UNMASK, 0, 0, 1, NULL, 0));
	EXPECT("an unknown flag", EINVAL, set_irqs(device, NONE | MASK | 1 << 6, 0, 0, 1, NULL, 0));
	EXPECT("line after the last", EINVAL, set_irqs(device, NONE | TRIGGER, subject->lines, 0, 1, NULL, 0));
	EXPECT("greatest line", EINVAL, set_irqs(device, NONE | TRIGGER, UINT32_MAX, 0, 1, NULL, 0));
	EXPECT("start 1", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 1, 1, NULL, 0));
	EXPECT("start 1, count 0", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 1, 0, NULL, 0));
	EXPECT("greatest start", EINVAL, set_irqs(device, NONE | TRIGGER, 0, UINT32_MAX, 1, NULL, 0));
	EXPECT("count 2", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 0, 2, NULL, 0));
	EXPECT("greatest count", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 0, UINT32_MAX, NULL, 0));
	EXPECT("start and count that overflow", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 2, UINT32_MAX, NULL, 0));
	EXPECT("eventfds, count 0", EINVAL, set_irqs(device, EVENTFD | TRIGGER, 0, 0, 0, NULL, 0));
	EXPECT("bools, count 0", EINVAL, set_irqs(device, BOOL | TRIGGER, 0, 0, 0, NULL, 0));
	EXPECT("mask, count 0", EINVAL, set_irqs(device, NONE | MASK, 0, 0, 0, NULL, 0));
	EXPECT("unmask, count 0", EINVAL, set_irqs(device, NONE | UNMASK, 0, 0, 0, NULL, 0));
	EXPECT("an eventfd of three bytes", EINVAL, set_irqs(device, EVENTFD | TRIGGER, 0, 0, 1, &eventfd, 3));
	EXPECT("a bool of no bytes", EINVAL, set_irqs(device, BOOL | TRIGGER, 0, 0, 1, NULL, 0));
	close(eventfd);
}

static void check_trigger(struct subject *subject)
{
	int device = subject->device;
	int first = new_eventfd();
	int second = new_eventfd();
	uint8_t yes = 1, no = 0;

	EXPECT("loopback of a line without a trigger", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	EXPECT("loopback by bool of such a line", EINVAL, set_irqs(device, BOOL | TRIGGER, 0, 0, 1, &yes, 1));
	EXPECT("a trigger that is no file", EBADF, set_eventfd(device, TRIGGER, 0, 1000));
	EXPECT("a trigger of a negative number that is not -1", EBADF, set_eventfd(device, TRIGGER, 0, -2));
	EXPECT("a trigger that is no eventfd", EINVAL, set_eventfd(device, TRIGGER, 0, subject->container));
	EXPECT("a line released that was not in use", 0, set_eventfd(device, TRIGGER, 0, -1));
	EXPECT("released in the other way", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 0, NULL, 0));

	EXPECT("a trigger", 0, set_eventfd(device, TRIGGER, 0, first));
	require("nothing has happened yet", !signalled(first, 0));
	EXPECT("loopback", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("loopback arrives", signalled(first, 1000));
	EXPECT("unmask", subject->level ? 0 : EINVAL, set_irqs(device, NONE | UNMASK, 0, 0, 1, NULL, 0));
	EXPECT("loopback by a false bool", 0, set_irqs(device, BOOL | TRIGGER, 0, 0, 1, &no, 1));
	require("a false bool does nothing", !signalled(first, 0));
	EXPECT("loopback by a true bool", 0, set_irqs(device, BOOL | TRIGGER, 0, 0, 1, &yes, 1));
	require("a true bool arrives", signalled(first, 1000));
	EXPECT("unmask again", subject->level ? 0 : EINVAL, set_irqs(device, NONE | UNMASK, 0, 0, 1, NULL, 0));

	EXPECT("another trigger", 0, set_eventfd(device, TRIGGER, 0, second));
	EXPECT("loopback to the other", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("it arrives at the other", signalled(second, 1000) && !signalled(first, 0));
	EXPECT("a bad trigger over a good one", EBADF, set_eventfd(device, TRIGGER, 0, 1000));
	if (subject->level)
		EXPECT("unmask", 0, set_irqs(device, NONE | UNMASK, 0, 0, 1, NULL, 0));
	EXPECT("loopback after the bad one", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("the good one is still there", signalled(second, 1000));

	EXPECT("a line released", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 0, NULL, 0));
	EXPECT("loopback of a released line", EINVAL, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	if (subject->level)
		EXPECT("unmask of a released line", 0, set_irqs(device, NONE | UNMASK, 0, 0, 1, NULL, 0));
	close(first);
	close(second);
}

/* Masked, a level line says nothing; each way of masking and unmasking. */
static void check_masks(struct subject *subject)
{
	int device = subject->device;
	int trigger = new_eventfd();
	int mask = new_eventfd();
	int unmask = new_eventfd();
	uint64_t one = 1;
	uint8_t yes = 1, no = 0;

	EXPECT("mask before a trigger", 0, set_irqs(device, NONE | MASK, 0, 0, 1, NULL, 0));
	EXPECT("a trigger for a masked line", 0, set_eventfd(device, TRIGGER, 0, trigger));
	EXPECT("loopback while masked", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("a masked line is silent", !signalled(trigger, 0));
	EXPECT("a false bool unmasks nothing", 0, set_irqs(device, BOOL | UNMASK, 0, 0, 1, &no, 1));
	EXPECT("loopback while still masked", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("it is still silent", !signalled(trigger, 0));
	EXPECT("unmask by bool", 0, set_irqs(device, BOOL | UNMASK, 0, 0, 1, &yes, 1));
	EXPECT("unmask of an unmasked line", 0, set_irqs(device, NONE | UNMASK, 0, 0, 1, NULL, 0));
	EXPECT("loopback when unmasked", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("it is heard", signalled(trigger, 1000));
	EXPECT("loopback before an unmask", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("a level line masks itself", !signalled(trigger, 0));

	EXPECT("an unmask eventfd that is no file", EBADF, set_eventfd(device, UNMASK, 0, 1000));
	EXPECT("an unmask eventfd that is no eventfd", EINVAL, set_eventfd(device, UNMASK, 0, subject->container));
	EXPECT("an unmask eventfd removed that was not there", 0, set_eventfd(device, UNMASK, 0, -1));
	EXPECT("an unmask eventfd", 0, set_eventfd(device, UNMASK, 0, unmask));
	EXPECT("a second unmask eventfd", EBUSY, set_eventfd(device, UNMASK, 0, mask));
	EXPECT("a mask eventfd", 0, set_eventfd(device, MASK, 0, mask));
	EXPECT("unmask by eventfd", 0, write(unmask, &one, sizeof(one)));
	EXPECT("loopback", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("unmasked by eventfd, it is heard", signalled(trigger, 1000));
	EXPECT("unmask by eventfd again", 0, write(unmask, &one, sizeof(one)));
	EXPECT("mask by eventfd", 0, write(mask, &one, sizeof(one)));
	EXPECT("loopback", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("masked by eventfd, it is silent", !signalled(trigger, 0));
	EXPECT("the mask eventfd removed", 0, set_eventfd(device, MASK, 0, -1));
	close(unmask);
	EXPECT("an unmask eventfd in place of one that was closed", 0, set_eventfd(device, UNMASK, 0, mask));

	require("what was delivered is counted", counters(device, 0).delivered == 2);
	require("what was not is counted too", counters(device, 0).spurious == 4);
	require("masked time is counted", counters(device, 0).masked_ns > 0);
	close(trigger);
	close(mask);
}

/* An edge line is neither masked nor masks itself. */
static void check_no_masks(struct subject *subject)
{
	int device = subject->device;
	int trigger = new_eventfd();

	EXPECT("mask of an edge line", EINVAL, set_irqs(device, NONE | MASK, 0, 0, 1, NULL, 0));
	EXPECT("unmask of an edge line", EINVAL, set_irqs(device, NONE | UNMASK, 0, 0, 1, NULL, 0));
	EXPECT("an unmask eventfd of an edge line", EINVAL, set_eventfd(device, UNMASK, 0, trigger));
	EXPECT("a trigger", 0, set_eventfd(device, TRIGGER, 0, trigger));
	EXPECT("loopback", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("it is heard", signalled(trigger, 1000));
	EXPECT("loopback again", 0, set_irqs(device, NONE | TRIGGER, 0, 0, 1, NULL, 0));
	require("it is heard again", signalled(trigger, 1000));
	close(trigger);
}

void check_lines(struct subject *subject)
{
	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	check_headers(subject);
	check_trigger(subject);
	close(subject->device);

	open_device(subject);
	if (subject->level)
		check_masks(subject);
	else
		check_no_masks(subject);
	/* Closed with everything in place: the driver clears it away. */
	close_all(subject);
}
