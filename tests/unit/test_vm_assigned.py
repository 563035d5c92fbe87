# SPDX-License-Identifier: Apache-2.0
"""Connecting assigned devices, over a fake kernel: in the order in which VFIO's objects need each other."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from midway.devicetree.node import Node
from midway.errors import DeviceError, KernelError
from midway.host.device import HostDevice, Region
from midway.host.groups import VfioGroup
from midway.kernel.kvm import Vm
from midway.kernel.memory import Extent, GuestMemory
from midway.kernel.syscalls import Linux
from midway.passthrough.routes import DevicePlan, DmaKind, DmaRoute, MmioRoute
from midway.uapi import kvm, vfio, vfio_forward
from midway.vm.assigned import AssignedDevices
from midway.vm.bus import Bus
from midway.vm.events import EventLoop
from unit.fakes import FakeKernel, error

NAMES = ("ff0d0000.ethernet", "f12a0000.rtc")
MAPPED = vfio.VFIO_REGION_INFO_FLAG_MMAP
GIB = 1 << 30


class Host:
    """A fake kernel with VFIO, a VM on it, and guest RAM in two banks."""

    def __init__(self, stack: ExitStack) -> None:
        self.kernel = FakeKernel()
        self.region_size = 0x1000
        self.region_flags = MAPPED
        self.offers_direct = True
        kernel = self.kernel
        kernel.opens |= {"/dev/vfio/vfio": 5, "/dev/vfio/7": 6, "/dev/vfio/8": 7, "/dev/vfio/noiommu-9": 8}
        kernel.ioctls |= {
            vfio.VFIO_GROUP_GET_STATUS: self._group_status,
            vfio.VFIO_GROUP_GET_DEVICE_FD: lambda _, __: kernel.new_fd(),
            vfio.VFIO_DEVICE_GET_INFO: self._device_info,
            vfio.VFIO_DEVICE_GET_REGION_INFO: self._region_info,
            vfio.VFIO_DEVICE_FEATURE: self._feature,
            kvm.KVM_CREATE_DEVICE: self._create_device,
        }
        self.vm = stack.enter_context(Vm(kernel, kernel.new_fd(), 0x1000))
        self.memory = stack.enter_context(
            GuestMemory.anonymous(kernel, [Extent(GIB, 0x4000), Extent(2 * GIB, 0x2000)])
        )
        self.bus = Bus()
        self.events = stack.enter_context(EventLoop(Linux(), print))
        slots = iter(range(2, 100))
        self.devices = AssignedDevices(
            stack, self.vm, self.memory, self.bus, self.events, lambda: next(slots)
        )

    def requests(self) -> list[int]:
        wanted = {
            vfio.VFIO_GROUP_SET_CONTAINER,
            vfio.VFIO_SET_IOMMU,
            vfio.VFIO_IOMMU_MAP_DMA,
            kvm.KVM_SET_DEVICE_ATTR,
            vfio.VFIO_GROUP_GET_DEVICE_FD,
            vfio.VFIO_DEVICE_FEATURE,
            kvm.KVM_SET_USER_MEMORY_REGION,
        }
        return [request for request in self.kernel.requests() if request in wanted]

    def _group_status(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        vfio.GROUP_STATUS.put(argument, "flags", vfio.VFIO_GROUP_FLAGS_VIABLE)
        return 0

    def _device_info(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        vfio.DEVICE_INFO.put(argument, "flags", vfio.VFIO_DEVICE_FLAGS_PLATFORM)
        return 0

    def _region_info(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        vfio.REGION_INFO.put(argument, "flags", self.region_flags)
        vfio.REGION_INFO.put(argument, "size", self.region_size)
        return 0

    def _feature(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        if not self.offers_direct:
            raise error(25)
        return 0

    def _create_device(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        kvm.CREATE_DEVICE.put(argument, "fd", self.kernel.new_fd())
        return 0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as resources:
        yield resources


@pytest.fixture
def host(stack: ExitStack) -> Host:
    return Host(stack)


def plan(name: str, kind: DmaKind, *, mapped: bool = True, size: int = 0x1000) -> DevicePlan:
    region = Region(0, 0xFF0D_0000, size)
    return DevicePlan(
        device=HostDevice(name, f"/axi/{name}", ("vendor,thing",), (region,), ()),
        mmio=(MmioRoute(region, 0x1010_0000, mapped),),
        dma=DmaRoute(kind, None),
        lines=(),
        node=Node(name),
    )


def group(number: int, *, noiommu: bool = False) -> VfioGroup:
    name = f"noiommu-{number}" if noiommu else str(number)
    return VfioGroup(number, Path("/dev/vfio") / name, noiommu)


def test_direct_dma_each_step_comes_after_what_it_needs(host: Host) -> None:
    host.devices.open([plan(NAMES[0], DmaKind.DIRECT)], {NAMES[0]: group(7)})
    assert host.requests() == [
        vfio.VFIO_GROUP_SET_CONTAINER,
        vfio.VFIO_SET_IOMMU,
        vfio.VFIO_IOMMU_MAP_DMA,
        vfio.VFIO_IOMMU_MAP_DMA,
        kvm.KVM_SET_DEVICE_ATTR,
        vfio.VFIO_GROUP_GET_DEVICE_FD,
        vfio.VFIO_DEVICE_FEATURE,  # is DIRECT there?
        vfio.VFIO_DEVICE_FEATURE,
        kvm.KVM_SET_USER_MEMORY_REGION,
    ]
    assert host.kernel.arguments(vfio.VFIO_SET_IOMMU) == [vfio.VFIO_TYPE1v2_IOMMU]


def test_direct_dma_gives_the_device_exactly_the_guests_ram(host: Host) -> None:
    host.devices.open([plan(NAMES[0], DmaKind.DIRECT)], {NAMES[0]: group(7)})
    given = host.kernel.arguments(vfio.VFIO_DEVICE_FEATURE)[1]
    assert isinstance(given, bytes)
    start = vfio.FEATURE.size + vfio_forward.DIRECT.size
    assert vfio_forward.DIRECT.get(given, "count", at=vfio.FEATURE.size) == 2
    assert [int.from_bytes(given[at : at + 8], "little") for at in range(start, len(given), 8)] == [
        GIB,
        0x4000,
        2 * GIB,
        0x2000,
    ]


def test_behind_an_iommu_nothing_is_pinned_by_address(host: Host) -> None:
    host.devices.open([plan(NAMES[0], DmaKind.IOMMU)], {NAMES[0]: group(7)})
    assert vfio.VFIO_DEVICE_FEATURE not in host.requests()
    assert host.requests().count(vfio.VFIO_IOMMU_MAP_DMA) == 2


def test_a_group_without_an_iommu_of_the_kernels_own_driver_maps_nothing(host: Host) -> None:
    host.offers_direct = False
    host.devices.open([plan(NAMES[0], DmaKind.DIRECT)], {NAMES[0]: group(9, noiommu=True)})
    assert host.kernel.arguments(vfio.VFIO_SET_IOMMU) == [vfio.VFIO_NOIOMMU_IOMMU]
    assert vfio.VFIO_IOMMU_MAP_DMA not in host.requests()


def test_two_devices_share_a_container_and_its_mapping(host: Host) -> None:
    plans = [plan(NAMES[0], DmaKind.DIRECT, mapped=False), plan(NAMES[1], DmaKind.DIRECT)]
    host.devices.open(plans, {NAMES[0]: group(7), NAMES[1]: group(8)})
    requests = host.requests()
    assert requests.count(vfio.VFIO_GROUP_SET_CONTAINER) == 2
    assert requests.count(vfio.VFIO_SET_IOMMU) == 1
    assert requests.count(vfio.VFIO_IOMMU_MAP_DMA) == 2
    assert requests.count(vfio.VFIO_GROUP_GET_DEVICE_FD) == 2


def test_two_devices_of_one_group_open_it_once(host: Host) -> None:
    plans = [plan(NAMES[0], DmaKind.IOMMU, mapped=False), plan(NAMES[1], DmaKind.IOMMU)]
    host.devices.open(plans, {NAMES[0]: group(7), NAMES[1]: group(7)})
    assert host.requests().count(vfio.VFIO_GROUP_SET_CONTAINER) == 1
    assert host.requests().count(kvm.KVM_SET_DEVICE_ATTR) == 1


def test_a_region_smaller_than_a_page_is_trapped(host: Host) -> None:
    host.region_size, host.region_flags = 0x200, 0
    host.devices.open([plan(NAMES[0], DmaKind.IOMMU, mapped=False, size=0x200)], {NAMES[0]: group(7)})
    assert kvm.KVM_SET_USER_MEMORY_REGION not in host.requests()
    host.bus.write(0x1010_0008, b"\1\0\0\0")
    assert any(call[0] == "pwrite" and call[2:] == (b"\1\0\0\0", 8) for call in host.kernel.log)
    assert host.devices.findings == []


def test_a_region_that_vfio_does_not_map_is_trapped_and_a_finding(host: Host) -> None:
    host.region_flags = 0
    host.devices.open([plan(NAMES[0], DmaKind.IOMMU)], {NAMES[0]: group(7)})
    (finding,) = host.devices.findings
    assert (finding.code, finding.subject) == ("region-not-mappable", NAMES[0])


def test_a_region_of_another_size_than_the_trees_is_refused(host: Host) -> None:
    host.region_size = 0x2000
    with pytest.raises(DeviceError, match="VFIO has 0x2000 bytes and the device tree 0x1000"):
        host.devices.open([plan(NAMES[0], DmaKind.IOMMU)], {NAMES[0]: group(7)})


def test_a_device_that_was_not_claimed_is_refused(host: Host) -> None:
    with pytest.raises(DeviceError, match="not claimed"):
        host.devices.open([plan(NAMES[0], DmaKind.IOMMU)], {})


def test_the_kernels_refusal_of_the_guests_ram_keeps_its_errno(host: Host) -> None:
    host.kernel.on(vfio.VFIO_DEVICE_FEATURE, 0, error(18))
    with pytest.raises(KernelError, match="direct DMA") as caught:
        host.devices.open([plan(NAMES[0], DmaKind.DIRECT)], {NAMES[0]: group(7)})
    assert caught.value.errno == 18


def test_everything_is_closed_again_and_kvm_lets_go_of_the_group() -> None:
    with ExitStack() as stack:
        host = Host(stack)
        host.devices.open([plan(NAMES[0], DmaKind.DIRECT)], {NAMES[0]: group(7)})
    assert host.kernel.open_fds == set()
    assert host.kernel.mappings == {}
    last = host.kernel.arguments(kvm.KVM_SET_DEVICE_ATTR)[-1]
    assert isinstance(last, bytes)
    assert kvm.DEVICE_ATTR.get(last, "attr") == kvm.KVM_DEV_VFIO_GROUP_DEL
