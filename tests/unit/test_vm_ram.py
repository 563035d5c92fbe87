# SPDX-License-Identifier: Apache-2.0
"""Which memory a guest's RAM is made of."""

import signal
import threading
from pathlib import Path

import pytest

from midway.config import Backing, MachineConfig
from midway.errors import ConfigurationError, HostError
from midway.host.signals import heard_by
from midway.host.sysfs import HostFiles
from midway.kernel.hugepages import pool
from midway.kernel.memory import Extent
from midway.vm.ram import GuestRam, groups_of, reserved_extents
from unit.fakes import FakeKernel

GIB, MIB2 = 1 << 30, 1 << 21
BEHIND_AN_IOMMU: dict[str, int | None] = {"a0000000.virtio_mmio": 4}
NIC = "ff0d0000.ethernet"


def config(backing: Backing = Backing.AUTO) -> MachineConfig:
    return MachineConfig(kernel="/boot/Image", memory=64, backing=backing)


def test_ordinary_memory_lies_where_the_board_has_it_and_is_given_back() -> None:
    kernel = FakeKernel()
    with GuestRam(kernel, config(), BEHIND_AN_IOMMU) as ram:
        assert ram.memory().extents == (Extent(GIB, 64 << 20),)
    assert kernel.mappings == {}


def test_ordinary_memory_keeps_clear_of_what_the_iommu_cannot_translate() -> None:
    with GuestRam(FakeKernel(), config(), BEHIND_AN_IOMMU, [Extent(GIB + 4096, 4096)]) as ram:
        assert ram.memory().extents == (Extent(2 * GIB, 64 << 20),)


def test_huge_pages_may_be_where_the_board_has_its_ram() -> None:
    kernel = FakeKernel()
    kernel.files[f"{pool(MIB2)}/free_hugepages"] = "32\n"
    with GuestRam(kernel, config(Backing.HUGETLB), {}) as ram:
        assert ram.memory().extents == (Extent(GIB, 64 << 20),)
    assert kernel.open_fds == set()


@pytest.mark.parametrize(
    ("backing", "groups"), [(Backing.AUTO, {NIC: None}), (Backing.DIRECT, {}), (Backing.DIRECT, {NIC: None})]
)
def test_without_an_iommu_or_when_asked_for_huge_pages_are_taken(
    backing: Backing, groups: dict[str, int | None]
) -> None:
    kernel = FakeKernel()
    kernel.files[f"{pool(MIB2)}/free_hugepages"] = "5\n"
    command = r"echo 32 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    with GuestRam(kernel, config(backing), groups) as ram, pytest.raises(HostError, match=command):
        ram.memory()


@pytest.mark.parametrize("backing", [Backing.ANONYMOUS, Backing.HUGETLB])
def test_a_device_without_an_iommu_cannot_have_other_memory(backing: Backing) -> None:
    with pytest.raises(ConfigurationError, match=r"^ff0d0000\.ethernet: .*physical addresses"):
        GuestRam(FakeKernel(), config(backing), {**BEHIND_AN_IOMMU, NIC: None})


def test_memory_that_nobody_waited_for_is_given_back_too() -> None:
    kernel = FakeKernel()
    with GuestRam(kernel, config(), {}):
        pass
    assert kernel.mappings == {}


def test_groups_are_those_of_the_devices_that_are_there(tmp_path: Path) -> None:
    for name in (NIC, "a0000000.virtio_mmio"):
        (tmp_path / "sys/bus/platform/devices" / name).mkdir(parents=True)
    group = tmp_path / "sys/kernel/iommu_groups/4"
    group.mkdir(parents=True)
    (tmp_path / "sys/bus/platform/devices/a0000000.virtio_mmio/iommu_group").symlink_to(group)
    found = groups_of(HostFiles(tmp_path), (NIC, "a0000000.virtio_mmio", "none.such"))
    assert found == {NIC: None, "a0000000.virtio_mmio": 4}


def test_what_a_group_cannot_translate_is_read_from_sysfs(tmp_path: Path) -> None:
    directory = tmp_path / "sys/kernel/iommu_groups/4"
    directory.mkdir(parents=True)
    (directory / "reserved_regions").write_text(
        "0x0000000008000000 0x00000000080fffff msi\n0x00000000f0000000 0x00000000f0000fff direct\n"
    )
    assert reserved_extents(HostFiles(tmp_path), [4, None, 4]) == (
        Extent(0x800_0000, 0x10_0000),
        Extent(0xF000_0000, 0x1000),
    )


class Stop(BaseException):
    """What a request to stop raises."""


class WatchedKernel(FakeKernel):
    def __init__(self) -> None:
        super().__init__()
        self.unmapped = threading.Event()

    def munmap(self, address: int, size: int) -> None:
        self.unmapped.set()
        super().munmap(address, size)


def test_ram_that_is_being_filled_stays_until_it_is_however_the_wait_for_it_ended() -> None:
    kernel, waiting, asked = WatchedKernel(), threading.Event(), threading.Event()
    waiter = threading.get_ident()
    early: list[bool] = []

    def stop(*_: object) -> None:
        if not asked.is_set():
            asked.set()
            raise Stop

    def load(_: object) -> None:
        waiting.wait()
        # Again where it comes right before the wait: Python looks when that ends.
        while not asked.wait(0.01):
            signal.pthread_kill(waiter, signal.SIGTERM)
        early.append(kernel.unmapped.wait(0.2))

    ram = GuestRam(kernel, config(), {}, load=load)
    with pytest.raises(Stop), heard_by(stop), ram:  # noqa: PT012
        waiting.set()
        ram.memory()
    assert early == [False]
    assert kernel.mappings == {}
