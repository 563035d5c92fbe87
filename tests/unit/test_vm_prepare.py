# SPDX-License-Identifier: Apache-2.0
"""Choices on the way from a configuration to a machine."""

import os
from collections import namedtuple
from pathlib import Path

import pytest

from midway.board.plan import Window
from midway.config import Backing, MachineConfig
from midway.errors import ConfigurationError, HostError
from midway.host.device import HostDevice
from midway.host.sysfs import HostFiles
from midway.kernel.hugepages import pool
from midway.vm.prepare import check_architecture, choose_gic, guest_memory, reserved_windows
from unit.fakes import FakeKernel

GIB, MIB2 = 1 << 30, 1 << 21


def config(backing: Backing = Backing.AUTO) -> MachineConfig:
    return MachineConfig(kernel="/boot/Image", memory=64, backing=backing)


def device(group: int | None) -> HostDevice:
    return HostDevice("ff0d0000.ethernet", "/axi/ethernet@ff0d0000", ("cdns,gem",), (), (), iommu_group=group)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"), [(None, (3, 2), 3), (None, (2,), 2), (2, (3, 2), 2), (3, (3,), 3)]
)
def test_the_newest_gic_unless_another_is_asked_for(
    wanted: int | None, offered: tuple[int, ...], chosen: int
) -> None:
    assert choose_gic(wanted, offered) == chosen


def test_a_gic_the_host_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(HostError, match="this host offers GICv2"):
        choose_gic(3, (2,))


def test_a_host_that_is_not_arm64_is_sent_to_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    names = namedtuple("names", "machine")
    monkeypatch.setattr(os, "uname", lambda: names("x86_64"))
    with pytest.raises(HostError, match=r"this is a x86_64 host.*midway lab"):
        check_architecture()


def test_ordinary_memory_lies_where_the_board_has_it() -> None:
    with guest_memory(FakeKernel(), config(), [device(4)]) as memory:
        assert memory.extents == ((GIB, 64 << 20),)


def test_ordinary_memory_keeps_clear_of_what_the_iommu_cannot_translate() -> None:
    with guest_memory(FakeKernel(), config(), [device(4)], [Window(GIB + 4096, 4096)]) as memory:
        assert memory.extents == ((2 * GIB, 64 << 20),)


def test_a_device_without_an_iommu_takes_huge_pages() -> None:
    kernel = FakeKernel()
    kernel.files[f"{pool(MIB2)}/free_hugepages"] = "5\n"
    with pytest.raises(HostError, match=r"echo 32 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"):
        guest_memory(kernel, config(), [device(None)])


@pytest.mark.parametrize("backing", [Backing.ANONYMOUS, Backing.HUGETLB])
def test_a_device_without_an_iommu_cannot_have_other_memory(backing: Backing) -> None:
    with pytest.raises(ConfigurationError, match=r"^ff0d0000\.ethernet: .*physical addresses"):
        guest_memory(FakeKernel(), config(backing), [device(None)])


def test_what_a_group_cannot_translate_is_read_from_sysfs(tmp_path: Path) -> None:
    directory = tmp_path / "sys" / "kernel" / "iommu_groups" / "4"
    directory.mkdir(parents=True)
    (directory / "reserved_regions").write_text(
        "0x0000000008000000 0x00000000080fffff msi\n0x00000000f0000000 0x00000000f0000fff direct\n"
    )
    files = HostFiles(tmp_path)
    assert reserved_windows(files, [device(4), device(4), device(None)]) == (
        Window(0x800_0000, 0x10_0000),
        Window(0xF000_0000, 0x1000),
    )
