# SPDX-License-Identifier: Apache-2.0
"""QEMU's command line for a guest, and where its RAM may be."""

from pathlib import Path

import pytest

from midway.bench.metrics import DEFAULT_MODES, MODES
from midway.bench.modes import vmm_for
from midway.bench.qemu_guest import QemuVmm, check_place, qemu_command
from midway.bench.vmm import GuestSetup
from midway.errors import HostError
from midway.kernel.memory import Extent

GIBIBYTE = 1 << 30
SETUP = GuestSetup(
    kernel=Path("/boot/Image"),
    initrd=Path("/run/initrd"),
    command_line="quiet rdinit=/init",
    memory=1024,
    cpus=2,
    device="ff0d0000.ethernet",
    scratch=Path("/run/scratch"),
)


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_ram_for_direct_dma_is_one_huge_page() -> None:
    command = qemu_command(SETUP, is_direct=True, tree=Path("/run/q.dtb"))
    assert after(command, "-object").endswith("size=1024M,share=on,hugetlb=on,hugetlbsize=1024M,prealloc=on")


def test_ram_behind_an_iommu_is_of_any_pages() -> None:
    command = qemu_command(SETUP, is_direct=False, tree=Path("/run/q.dtb"))
    assert "hugetlb" not in after(command, "-object")


def test_kernel_image_and_device_are_those_that_every_vmm_gets() -> None:
    command = qemu_command(SETUP, is_direct=True, tree=Path("/run/q.dtb"))
    assert after(command, "-kernel") == "/boot/Image"
    assert after(command, "-initrd") == "/run/initrd"
    assert after(command, "-append") == "console=ttyAMA0 quiet rdinit=/init"
    assert after(command, "-smp") == "2"
    assert after(command, "-device") == "vfio-platform,host=ff0d0000.ethernet"
    assert after(command, "-dtb") == "/run/q.dtb"


def test_ram_at_the_guests_own_address_is_accepted() -> None:
    check_place((Extent(0x4000_0000, GIBIBYTE),), GIBIBYTE)


@pytest.mark.parametrize(
    "extents",
    [
        (Extent(0x8_0000_0000, GIBIBYTE),),
        (Extent(0x4000_0000, GIBIBYTE // 2), Extent(0x8000_0000, GIBIBYTE // 2)),
    ],
)
def test_ram_anywhere_else_is_refused_before_a_device_can_write_there(extents: tuple[Extent, ...]) -> None:
    with pytest.raises(HostError, match="has its RAM at 0x40000000"):
        check_place(extents, GIBIBYTE)


def test_qemu_is_measured_where_it_is_asked_for_only() -> None:
    assert "qemu" in MODES
    assert "qemu" not in DEFAULT_MODES
    assert isinstance(vmm_for("qemu"), QemuVmm)
