// SPDX-License-Identifier: Apache-2.0
/* Opening, and what the device says of itself. */
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

/* The errno with which an open without CAP_SYS_RAWIO ends. */
static int open_without_rawio(struct subject *subject)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
		struct __user_cap_data_struct data[2];

		if (syscall(SYS_capget, &header, data))
			_exit(255);
		data[0].effective &= ~(1U << CAP_SYS_RAWIO);
		if (syscall(SYS_capset, &header, data))
			_exit(255);
		_exit(ioctl(subject->group, VFIO_GROUP_GET_DEVICE_FD, subject->name) < 0 ? errno : 0);
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}

void check_opening(struct subject *subject)
{
	int group = open(subject->group_path, O_RDWR | O_CLOEXEC);
	int second;

	EXPECT("a device of a group without a container", EINVAL,
	       ioctl(group, VFIO_GROUP_GET_DEVICE_FD, subject->name));
	EXPECT("a group opened twice", EBUSY, open(subject->group_path, O_RDWR | O_CLOEXEC));
	close(group);

	open_group(subject, VFIO_TYPE1v2_IOMMU);
	EXPECT("a device that the group does not have", ENODEV,
	       ioctl(subject->group, VFIO_GROUP_GET_DEVICE_FD, "no-such.device"));
	EXPECT("a name that cannot be read", EFAULT, ioctl(subject->group, VFIO_GROUP_GET_DEVICE_FD, NOWHERE));
	report("opened without CAP_SYS_RAWIO", subject->direct ? EPERM : 0, open_without_rawio(subject));

	open_device(subject);
	EXPECT("the container unset while the device is open", EBUSY,
	       ioctl(subject->group, VFIO_GROUP_UNSET_CONTAINER));
	second = ioctl(subject->group, VFIO_GROUP_GET_DEVICE_FD, subject->name);
	require("the device opens a second time", second >= 0);
	close(second);
	EXPECT("the first file after the second was closed", 0,
	       ioctl(subject->device, VFIO_DEVICE_GET_INFO,
		     &(struct vfio_device_info){ .argsz = sizeof(struct vfio_device_info) }));
	close_all(subject);
}

static void check_device_info(struct subject *subject)
{
	struct vfio_device_info info = { .argsz = offsetof(struct vfio_device_info, cap_offset) };
	uint32_t flags = VFIO_DEVICE_FLAGS_PLATFORM | (subject->reset ? VFIO_DEVICE_FLAGS_RESET : 0);

	EXPECT("device info", 0, ioctl(subject->device, VFIO_DEVICE_GET_INFO, &info));
	require("the device's flags", info.flags == flags);
	require("its number of regions", info.num_regions == subject->regions);
	require("its number of lines", info.num_irqs == subject->lines);
	info.argsz--;
	EXPECT("device info, argsz short by one", EINVAL, ioctl(subject->device, VFIO_DEVICE_GET_INFO, &info));
	EXPECT("device info at no address", EFAULT, ioctl(subject->device, VFIO_DEVICE_GET_INFO, NOWHERE));
}

static void check_region_info(struct subject *subject)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 0 };
	uint32_t flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

	if (subject->mappable)
		flags |= VFIO_REGION_INFO_FLAG_MMAP;
	EXPECT("region info", 0, ioctl(subject->device, VFIO_DEVICE_GET_REGION_INFO, &info));
	require("the region's flags", info.flags == flags);
	require("the region's size", info.size == subject->size);
	require("the region has no capabilities", info.cap_offset == 0);
	info.index = subject->regions;
	EXPECT("region info, index after the last", EINVAL,
	       ioctl(subject->device, VFIO_DEVICE_GET_REGION_INFO, &info));
	info.index = UINT32_MAX;
	EXPECT("region info, greatest index", EINVAL, ioctl(subject->device, VFIO_DEVICE_GET_REGION_INFO, &info));
	info.index = 0;
	info.argsz = sizeof(info) - 1;
	EXPECT("region info, argsz short by one", EINVAL,
	       ioctl(subject->device, VFIO_DEVICE_GET_REGION_INFO, &info));
	EXPECT("region info at no address", EFAULT, ioctl(subject->device, VFIO_DEVICE_GET_REGION_INFO, NOWHERE));
}

static void check_irq_info(struct subject *subject)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = 0 };
	uint32_t flags = VFIO_IRQ_INFO_EVENTFD;

	if (subject->level)
		flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	EXPECT("line info", 0, ioctl(subject->device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	require("the line's flags", info.flags == flags);
	require("the line is one", info.count == 1);
	info.index = subject->lines;
	EXPECT("line info, index after the last", EINVAL, ioctl(subject->device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	info.index = UINT32_MAX;
	EXPECT("line info, greatest index", EINVAL, ioctl(subject->device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	info.index = 0;
	info.argsz = sizeof(info) - 1;
	EXPECT("line info, argsz short by one", EINVAL, ioctl(subject->device, VFIO_DEVICE_GET_IRQ_INFO, &info));
	EXPECT("line info at no address", EFAULT, ioctl(subject->device, VFIO_DEVICE_GET_IRQ_INFO, NOWHERE));
}

void check_information(struct subject *subject)
{
	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);
	check_device_info(subject);
	check_region_info(subject);
	check_irq_info(subject);
	EXPECT("a reset", subject->reset ? 0 : EINVAL, ioctl(subject->device, VFIO_DEVICE_RESET));
	EXPECT("an ioctl of PCI devices", ENOTTY,
	       ioctl(subject->device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, NOWHERE));
	EXPECT("an ioctl of another kind of file", ENOTTY, ioctl(subject->device, 0x5401, NOWHERE));
	close_all(subject);
}

void check_features(struct subject *subject)
{
	struct vfio_forward_counters counters = { 0 };
	const uint32_t get = VFIO_DEVICE_FEATURE_GET | VFIO_FORWARD_FEATURE_COUNTERS;
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE;
	struct vfio_device_feature header = { .argsz = 4 };

	open_group(subject, VFIO_TYPE1v2_IOMMU);
	open_device(subject);

	EXPECT("a feature with a short header", EINVAL, ioctl(subject->device, VFIO_DEVICE_FEATURE, &header));
	EXPECT("a feature at no address", EFAULT, ioctl(subject->device, VFIO_DEVICE_FEATURE, NOWHERE));
	EXPECT("an unknown feature", ENOTTY, feature(subject->device, VFIO_DEVICE_FEATURE_GET | 0x4dff, NULL, 0));
	EXPECT("a feature of PCI devices", ENOTTY, feature(subject->device, probe | VFIO_DEVICE_FEATURE_SET, NULL, 0));
	EXPECT("an unknown flag", EINVAL, feature(subject->device, get | 1 << 30, &counters, sizeof(counters)));

	EXPECT("counters, probed", 0, feature(subject->device, probe | get, NULL, 0));
	EXPECT("counters, probed for SET", EINVAL,
	       feature(subject->device, probe | VFIO_DEVICE_FEATURE_SET | VFIO_FORWARD_FEATURE_COUNTERS, NULL, 0));
	EXPECT("counters, neither GET nor SET", EINVAL,
	       feature(subject->device, VFIO_FORWARD_FEATURE_COUNTERS, &counters, sizeof(counters)));
	EXPECT("counters, GET and SET", EINVAL,
	       feature(subject->device, get | VFIO_DEVICE_FEATURE_SET, &counters, sizeof(counters)));
	EXPECT("counters, SET", EINVAL,
	       feature(subject->device, VFIO_DEVICE_FEATURE_SET | VFIO_FORWARD_FEATURE_COUNTERS, &counters,
		       sizeof(counters)));
	EXPECT("counters, short by one", EINVAL, feature(subject->device, get, &counters, sizeof(counters) - 1));
	counters.index = subject->lines;
	EXPECT("counters, line after the last", EINVAL, feature(subject->device, get, &counters, sizeof(counters)));
	counters = (struct vfio_forward_counters){ .flags = 1 };
	EXPECT("counters, a flag", EINVAL, feature(subject->device, get, &counters, sizeof(counters)));
	counters.flags = 0;
	EXPECT("counters", 0, feature(subject->device, get, &counters, sizeof(counters)));
	require("nothing is counted before a line is used",
		!counters.delivered && !counters.spurious && !counters.masked_ns);

	EXPECT("direct DMA, probed", subject->direct ? 0 : ENOTTY,
	       feature(subject->device,
		       probe | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET | VFIO_FORWARD_FEATURE_DIRECT, NULL, 0));
	close_all(subject);
}
