# SPDX-License-Identifier: Apache-2.0
"""Devices of the emulated boards, planned from the trees that QEMU itself makes."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from midway.board.memory import anonymous_banks
from midway.board.plan import MachinePlan
from midway.board.planning import plan_machine
from midway.config import DeviceConfig, MachineConfig
from midway.devicetree.devices import host_devices
from midway.devicetree.node import Node, cells, strings
from midway.devicetree.read import read
from midway.devicetree.values import cell_list, number
from midway.findings import Severity
from midway.passthrough.routes import DevicePlan
from unit.dts import decompiled

QEMU = "qemu-system-aarch64"
VERSAL = ("-M", "xlnx-versal-virt")
VIRT = ("-M", "virt,virtualization=on,gic-version=3,iommu=smmuv3", "-cpu", "cortex-a76", "-net", "none")

pytestmark = pytest.mark.skipif(shutil.which(QEMU) is None, reason=f"{QEMU} is not installed")


@cache
def tree(board: tuple[str, ...]) -> Node:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "board.dtb"
        machine, options = board[1], board[2:]
        words = [QEMU, "-display", "none", "-M", f"{machine},dumpdtb={file}", *options]
        subprocess.run(words, check=True, capture_output=True, timeout=60)
        return read(file.read_bytes())


def machine(board: tuple[str, ...], *names: str) -> MachinePlan:
    config = MachineConfig(kernel="Image", devices=tuple(DeviceConfig(name=name) for name in names))
    root = tree(board)
    return plan_machine(
        config,
        root,
        host_devices(root),
        banks=anonymous_banks(config),
        image_size=32 << 20,
        text_offset=0,
    )


def plan(board: tuple[str, ...], name: str) -> DevicePlan:
    (device,) = machine(board, name).devices
    return device


def rates(found: DevicePlan) -> list[int | None]:
    by_phandle = {number(node, "phandle"): node for node in found.providers}
    return [number(by_phandle[phandle], "clock-frequency") for phandle in cell_list(found.node, "clocks")]


def codes(found: DevicePlan) -> set[str]:
    return {finding.code for finding in found.findings if finding.severity is not Severity.NOTE}


def test_the_versal_mac_has_four_fixed_clocks_its_link_and_one_interrupt_named_twice() -> None:
    found = plan(VERSAL, "ff0d0000.ethernet")
    assert rates(found) == [25_000_000, 25_000_000, 125_000_000, 125_000_000]
    assert found.node.properties["clock-names"] == strings("pclk", "hclk", "tx_clk", "rx_clk")
    (link,) = found.node.children
    assert link.name == "fixed-link"
    assert link.properties["speed"] == cells(1000)
    assert found.node.properties["phy-handle"] == link.properties["phandle"]
    (route,) = found.lines
    assert found.node.properties["interrupts"] == cells(0, route.spi, 4, 0, route.spi, 4)
    assert [region.mapped for region in found.mmio] == [True]
    assert codes(found) == {"no-iommu"}


@pytest.mark.parametrize(
    ("name", "lines", "clocks"),
    [
        ("ff010000.uart", 1, [125_000_000, 125_000_000]),
        ("f12a0000.rtc", 2, []),
        ("f1040000.sdhci", 1, [25_000_000, 25_000_000]),
        ("ffa80000.dma", 1, [25_000_000, 25_000_000]),
        ("fe200000.dwc3", 1, []),
    ],
)
def test_versal_devices_are_mapped_with_all_lines_and_clocks(
    name: str, lines: int, clocks: list[int]
) -> None:
    found = plan(VERSAL, name)
    assert len(found.lines) == lines
    assert rates(found) == clocks
    assert all(route.mapped for route in found.mmio)
    assert codes(found) == {"no-iommu"}


def test_the_versal_usb_wrapper_names_the_core_that_is_passed_alone() -> None:
    found = plan(VERSAL, "ff9d0000.usb")
    assert codes(found) == {"no-iommu", "child-outside"}
    (finding,) = [finding for finding in found.findings if finding.code == "child-outside"]
    assert "pass fe200000.dwc3 as well, or alone" in finding.remedy
    assert codes(plan(VERSAL, "fe200000.dwc3")) == {"no-iommu"}


@pytest.mark.parametrize(("board", "name"), [(VERSAL, "a0000000.virtio_mmio"), (VIRT, "a003e00.virtio_mmio")])
def test_virtio_slots_share_a_page_and_are_trapped(board: tuple[str, ...], name: str) -> None:
    found = plan(board, name)
    assert [route.mapped for route in found.mmio] == [False]
    assert found.node.properties["reg"][-4:] == cells(0x200)
    assert "dma-coherent" in found.node.properties
    (finding,) = [finding for finding in found.findings if finding.code == "region-trapped"]
    assert finding.cause.count(".virtio_mmio") == 7
    assert codes(found) == {"no-iommu", "region-trapped"}


@pytest.mark.parametrize(("name", "count"), [("9000000.pl011", 2), ("9010000.pl031", 1)])
def test_primecells_of_the_virt_board_keep_their_bus_clock(name: str, count: int) -> None:
    found = plan(VIRT, name)
    assert rates(found) == [24_000_000] * count
    assert b"apb_pclk\0" in found.node.properties["clock-names"]
    assert codes(found) == {"no-iommu"}


@pytest.mark.parametrize(
    ("board", "names"),
    [
        (
            VERSAL,
            (
                "ff0d0000.ethernet",
                "ff010000.uart",
                "f12a0000.rtc",
                "f1040000.sdhci",
                "ff9d0000.usb",
                "fe200000.dwc3",
                "ffa80000.dma",
                "a0000000.virtio_mmio",
            ),
        ),
        (VIRT, ("9000000.pl011", "9010000.pl031", "a003e00.virtio_mmio")),
    ],
)
def test_dtc_warns_of_nothing_in_the_guests_tree_that_the_hosts_has_not(
    board: tuple[str, ...], names: tuple[str, ...]
) -> None:
    warnings = decompiled(machine(board, *names).tree)[1].splitlines()
    # The MAC's own node has cells that none of its children uses.
    assert [line for line in warnings if "avoid_unnecessary_addr_size" not in line] == []


def test_a_guest_can_have_every_passable_device_of_a_board_at_once() -> None:
    names = [device.name for device in host_devices(tree(VERSAL)) if device.name != "f9000000.gic"]
    plan = machine(VERSAL, *names)
    assert len(plan.devices) == len(names) == 28
    assert len(plan.tree) < 32 << 10
