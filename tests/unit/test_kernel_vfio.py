# SPDX-License-Identifier: Apache-2.0
"""VFIO's containers, groups and devices over a fake kernel."""

import errno

import pytest

from midway.errors import DeviceError, HostError, KernelError
from midway.kernel.container import Container, Group
from midway.kernel.irq_set import Action
from midway.kernel.vfio_device import Device, LineInfo, RegionInfo
from midway.uapi import vfio, vfio_forward
from midway.uapi.layout import Layout
from unit.fakes import FakeKernel, error, words

NAME = "ff0d0000.ethernet"


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    fake.opens["/dev/vfio/vfio"] = 5
    fake.opens["/dev/vfio/7"] = 6

    def status(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        vfio.GROUP_STATUS.put(argument, "flags", vfio.VFIO_GROUP_FLAGS_VIABLE)
        return 0

    fake.ioctls[vfio.VFIO_GROUP_GET_STATUS] = status
    fake.ioctls[vfio.VFIO_GROUP_GET_DEVICE_FD] = lambda _, __: fake.new_fd()
    return fake


@pytest.fixture
def device(kernel: FakeKernel) -> Device:
    return Device(kernel, kernel.new_fd(), NAME)


def answer(kernel: FakeKernel, request: int, layout: Layout, **values: int) -> None:
    """Let an ioctl fill in members of its argument."""

    def handler(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        for name, value in values.items():
            layout.put(argument, name, value)
        return 0

    kernel.ioctls[request] = handler


def test_a_host_without_vfio_is_told_which_module_it_lacks(kernel: FakeKernel) -> None:
    del kernel.opens["/dev/vfio/vfio"]
    with pytest.raises(HostError, match="modprobe vfio_iommu_type1"):
        Container(kernel)


def test_an_iommu_that_does_not_isolate_interrupts_has_a_remedy(kernel: FakeKernel) -> None:
    kernel.fails(vfio.VFIO_SET_IOMMU, errno.EPERM)
    with (
        Container(kernel) as container,
        pytest.raises(KernelError, match="allow_unsafe_interrupts") as caught,
    ):
        container.set_iommu(vfio.VFIO_TYPE1v2_IOMMU, device=NAME)
    assert caught.value.errno == errno.EPERM
    assert caught.value.device == NAME


def test_memory_is_mapped_for_reading_and_writing(kernel: FakeKernel) -> None:
    with Container(kernel) as container:
        container.map_dma(0x7F00_0000_0000, 0x4000_0000, 1 << 30)
    (argument,) = kernel.arguments(vfio.VFIO_IOMMU_MAP_DMA)
    assert isinstance(argument, bytes)
    assert list(words(argument, 4, 4, 8, 8, 8)) == [32, 3, 0x7F00_0000_0000, 0x4000_0000, 1 << 30]


def test_a_group_that_another_process_has_is_named_with_its_device(kernel: FakeKernel) -> None:
    kernel.opens["/dev/vfio/7"] = error(errno.EBUSY)
    with pytest.raises(DeviceError, match=rf"^{NAME}: opening /dev/vfio/7: Device or resource busy"):
        Group(kernel, "/dev/vfio/7", device=NAME)


def test_a_group_that_is_not_viable_is_refused_and_closed(kernel: FakeKernel) -> None:
    answer(kernel, vfio.VFIO_GROUP_GET_STATUS, vfio.GROUP_STATUS, flags=0)
    with pytest.raises(DeviceError, match="claim all devices of the group"):
        Group(kernel, "/dev/vfio/7", device=NAME)
    assert kernel.open_fds == set()


def test_a_device_is_opened_by_its_name(kernel: FakeKernel) -> None:
    with Container(kernel) as container, Group(kernel, "/dev/vfio/7", device=NAME) as group:
        group.set_container(container)
        with group.open_device(NAME) as opened:
            assert opened.name == NAME
    assert kernel.arguments(vfio.VFIO_GROUP_SET_CONTAINER) == [(5).to_bytes(4, "little")]
    assert kernel.arguments(vfio.VFIO_GROUP_GET_DEVICE_FD) == [NAME.encode() + b"\0"]
    assert kernel.open_fds == set()


def test_what_is_no_platform_device_is_refused(kernel: FakeKernel, device: Device) -> None:
    answer(kernel, vfio.VFIO_DEVICE_GET_INFO, vfio.DEVICE_INFO, flags=vfio.VFIO_DEVICE_FLAGS_PCI)
    with pytest.raises(DeviceError, match="no platform device"):
        device.info()


def test_a_devices_regions_and_lines_are_counted(kernel: FakeKernel, device: Device) -> None:
    flags = vfio.VFIO_DEVICE_FLAGS_PLATFORM | vfio.VFIO_DEVICE_FLAGS_RESET
    answer(kernel, vfio.VFIO_DEVICE_GET_INFO, vfio.DEVICE_INFO, flags=flags, num_regions=2, num_irqs=3)
    info = device.info()
    assert (info.regions, info.lines, info.can_reset) == (2, 3, True)


def test_a_device_is_reset_or_the_kernels_refusal_says_so(kernel: FakeKernel, device: Device) -> None:
    device.reset()
    assert kernel.requests() == [vfio.VFIO_DEVICE_RESET]
    kernel.fails(vfio.VFIO_DEVICE_RESET, errno.EINVAL)
    with pytest.raises(KernelError, match=f"^{NAME}: resetting the device: .*EINVAL"):
        device.reset()


def test_a_region_says_what_it_can(kernel: FakeKernel, device: Device) -> None:
    flags = vfio.VFIO_REGION_INFO_FLAG_READ | vfio.VFIO_REGION_INFO_FLAG_WRITE
    answer(
        kernel, vfio.VFIO_DEVICE_GET_REGION_INFO, vfio.REGION_INFO, flags=flags, size=0x200, offset=1 << 40
    )
    assert device.region(1) == RegionInfo(1, 0x200, 1 << 40, readable=True, writable=True, mappable=False)


def test_a_level_line_is_automasked(kernel: FakeKernel, device: Device) -> None:
    flags = vfio.VFIO_IRQ_INFO_EVENTFD | vfio.VFIO_IRQ_INFO_MASKABLE | vfio.VFIO_IRQ_INFO_AUTOMASKED
    answer(kernel, vfio.VFIO_DEVICE_GET_IRQ_INFO, vfio.IRQ_INFO, flags=flags, count=1)
    assert device.line(0) == LineInfo(0, 1, eventfd=True, maskable=True, automasked=True)


def test_registers_are_read_and_written_at_the_regions_offset(kernel: FakeKernel, device: Device) -> None:
    region = RegionInfo(0, 16, 8, readable=True, writable=True, mappable=True)
    kernel.contents[device.fd] = bytes(range(64))
    assert device.read(region, 4, 4) == bytes([12, 13, 14, 15])
    device.write(region, 2, b"\xaa\xbb")
    assert ("pwrite", device.fd, b"\xaa\xbb", 10) in kernel.log


def test_a_short_read_of_a_register_is_an_error(kernel: FakeKernel, device: Device) -> None:
    region = RegionInfo(0, 16, 0, readable=True, writable=True, mappable=True)
    kernel.contents[device.fd] = b"\1\2"
    with pytest.raises(KernelError, match="reading region 0") as caught:
        device.read(region, 0, 4)
    assert caught.value.errno == errno.EIO


def test_a_mapped_region_is_unmapped_at_the_end(kernel: FakeKernel, device: Device) -> None:
    region = RegionInfo(0, 0x1000, 1 << 40, readable=True, writable=True, mappable=True)
    with device.map_region(region) as registers:
        registers.view[0:4] = b"\1\2\3\4"
        assert kernel.mappings[registers.address][:4] == b"\1\2\3\4"
    assert kernel.mappings == {}


def test_a_region_that_cannot_be_mapped_names_the_device(kernel: FakeKernel, device: Device) -> None:
    kernel.refused_maps.add(device.fd)
    region = RegionInfo(3, 0x1000, 0, readable=True, writable=True, mappable=True)
    with pytest.raises(KernelError, match=rf"^{NAME}: mapping region 3.*ENOMEM"):
        device.map_region(region)


def test_an_errno_of_set_irqs_is_kept(kernel: FakeKernel, device: Device) -> None:
    kernel.fails(vfio.VFIO_DEVICE_SET_IRQS, errno.EBUSY)
    with pytest.raises(KernelError, match=rf"^{NAME}: setting up trigger of line 1") as caught:
        device.set_irqs(Action.TRIGGER, 1, eventfds=[9])
    assert caught.value.errno == errno.EBUSY


@pytest.mark.parametrize("number", [errno.ENOTTY, errno.EINVAL])
def test_a_feature_the_driver_does_not_know_is_absent(
    kernel: FakeKernel, device: Device, number: int
) -> None:
    kernel.fails(vfio.VFIO_DEVICE_FEATURE, number)
    direct = vfio_forward.VFIO_FORWARD_FEATURE_DIRECT
    assert not device.has_feature(direct, vfio.VFIO_DEVICE_FEATURE_SET)


def test_probing_for_a_feature_sets_nothing(kernel: FakeKernel, device: Device) -> None:
    direct = vfio_forward.VFIO_FORWARD_FEATURE_DIRECT
    assert device.has_feature(direct, vfio.VFIO_DEVICE_FEATURE_SET)
    (argument,) = kernel.arguments(vfio.VFIO_DEVICE_FEATURE)
    flags = direct | vfio.VFIO_DEVICE_FEATURE_SET | vfio.VFIO_DEVICE_FEATURE_PROBE
    assert argument == (8).to_bytes(4, "little") + flags.to_bytes(4, "little")


def test_direct_memory_is_given_as_ranges(kernel: FakeKernel, device: Device) -> None:
    device.give_direct_memory([(0x4000_0000, 1 << 30), (0x8_0000_0000, 1 << 21)])
    (argument,) = kernel.arguments(vfio.VFIO_DEVICE_FEATURE)
    assert isinstance(argument, bytes)
    flags = vfio_forward.VFIO_FORWARD_FEATURE_DIRECT | vfio.VFIO_DEVICE_FEATURE_SET
    assert list(words(argument, 4, 4)) == [8 + 24 + 32, flags]
    assert list(words(argument[8:], 4, 4, 4, 4, 8)) == [0, 0, 2, 0, 0]
    assert list(words(argument[32:], 8, 8, 8, 8)) == [0x4000_0000, 1 << 30, 0x8_0000_0000, 1 << 21]


def test_a_lines_counters_are_read_by_its_index(kernel: FakeKernel, device: Device) -> None:
    def counters(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        assert vfio_forward.COUNTERS.get(argument, "index", at=8) == 1
        argument[8:] = vfio_forward.COUNTERS.pack(index=1, delivered=7, spurious=2, masked_ns=99)
        return 0

    kernel.ioctls[vfio.VFIO_DEVICE_FEATURE] = counters
    found = device.counters(1)
    assert (found.delivered, found.spurious, found.masked_ns) == (7, 2, 99)
