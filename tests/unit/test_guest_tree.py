# SPDX-License-Identifier: Apache-2.0
"""The guest's whole tree, as dtc and fdtget see it: neither knows Midway's own writer."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from midway.board.plan import Bank, MachinePlan
from midway.config import DeviceConfig, MachineConfig
from unit.dts import BOARD, decompiled
from unit.planned import machine

EMPTY = "/dts-v1/; / { };"
MAC = "a0010000.ethernet"


class Guest:
    """A guest's tree, asked with fdtget."""

    def __init__(self, plan: MachinePlan, directory: Path) -> None:
        self.plan = plan
        self.path = directory / "guest.dtb"
        self.path.write_bytes(plan.tree)

    def cells(self, node: str, name: str) -> list[int]:
        return [int(cell, 16) for cell in self._ask("-tx", str(self.path), node, name).split()]

    def text(self, node: str, name: str) -> list[str]:
        return self._ask("-ts", str(self.path), node, name).rstrip("\n").split(" ")

    def children(self, node: str) -> list[str]:
        return self._ask("-l", str(self.path), node).split()

    def properties(self, node: str) -> list[str]:
        return self._ask("-p", str(self.path), node).split()

    def child(self, start: str, below: str = "/") -> str:
        (found,) = [name for name in self.children(below) if name.startswith(start)]
        return f"{below.rstrip('/')}/{found}"

    @staticmethod
    def _ask(*words: str) -> str:
        return subprocess.run(["fdtget", *words], check=True, capture_output=True, text=True).stdout


def pair(value: int) -> list[int]:
    return [value >> 32, value & 0xFFFFFFFF]


def config(*devices: str, **fields: Any) -> MachineConfig:
    return MachineConfig(
        kernel="Image",
        devices=tuple(DeviceConfig(name=name) for name in devices),
        **fields,
    )


@pytest.mark.parametrize("gic", [2, 3])
@pytest.mark.parametrize("cpus", [1, 8])
def test_dtc_finds_nothing_wrong_with_a_board(gic: int, cpus: int) -> None:
    plan = machine(EMPTY, config(cpus=cpus, gic=gic, initrd="initrd", append="quiet"), initrd_size=1 << 20)
    assert decompiled(plan.tree)[1] == ""


def test_dtc_finds_nothing_wrong_with_a_passed_device() -> None:
    assert decompiled(machine(BOARD, config(MAC), groups={MAC: 4}).tree)[1] == ""


def test_the_kernel_is_told_its_command_line_console_initrd_and_seeds(tmp_path: Path) -> None:
    plan = machine(EMPTY, config(initrd="initrd", append="console=ttyS0 quiet"), initrd_size=0x123456)
    guest = Guest(plan, tmp_path)
    assert guest.text("/chosen", "bootargs") == ["console=ttyS0", "quiet"]
    (console,) = guest.text("/chosen", "stdout-path")
    assert console == f"/serial@{plan.uart.window.address:x}:115200n8"
    assert plan.initrd_address is not None
    assert guest.cells("/chosen", "linux,initrd-start") == pair(plan.initrd_address)
    assert guest.cells("/chosen", "linux,initrd-end") == pair(plan.initrd_address + 0x123456)
    assert guest.cells("/chosen", "kaslr-seed") == [0x00010203, 0x04050607]
    assert len(guest.cells("/chosen", "rng-seed")) == 16


def test_without_initrd_command_line_or_seeds_nothing_is_said_of_them(tmp_path: Path) -> None:
    guest = Guest(machine(EMPTY, config(), seeds=None), tmp_path)
    assert guest.properties("/chosen") == ["stdout-path"]


def test_every_bank_is_a_memory_node(tmp_path: Path) -> None:
    banks = (Bank(0x4000_0000, 0x4000_0000), Bank(0x8_0000_0000, 0x4000_0000))
    guest = Guest(machine(EMPTY, config(), banks=banks), tmp_path)
    for bank in banks:
        node = f"/memory@{bank.address:x}"
        assert guest.cells(node, "reg") == pair(bank.address) + pair(bank.size)
        assert guest.text(node, "device_type") == ["memory"]


def test_cpus_are_started_through_psci(tmp_path: Path) -> None:
    guest = Guest(machine(EMPTY, config(cpus=4)), tmp_path)
    assert guest.children("/cpus") == ["cpu@0", "cpu@1", "cpu@2", "cpu@3"]
    assert guest.cells("/cpus/cpu@3", "reg") == [3]
    assert guest.text("/cpus/cpu@3", "enable-method") == ["psci"]
    assert guest.text("/psci", "compatible") == ["arm,psci-1.0", "arm,psci-0.2"]
    assert guest.text("/psci", "method") == ["hvc"]


def test_gicv3_has_a_redistributor_for_each_cpu(tmp_path: Path) -> None:
    plan = machine(EMPTY, config(cpus=8))
    guest = Guest(plan, tmp_path)
    node = guest.child("interrupt-controller@")
    assert guest.text(node, "compatible") == ["arm,gic-v3"]
    gic = plan.gic
    assert guest.cells(node, "reg") == [
        *pair(gic.distributor.address),
        0,
        0x10000,
        *pair(gic.second.address),
        0,
        0x100000,
    ]
    assert gic.distributor.address % 0x10000 == gic.second.address % 0x10000 == 0
    assert guest.cells("/", "interrupt-parent") == guest.cells(node, "phandle")


def test_gicv2_timer_interrupts_name_their_cpus(tmp_path: Path) -> None:
    plan = machine(EMPTY, config(cpus=3, gic=2))
    guest = Guest(plan, tmp_path)
    assert guest.text(guest.child("interrupt-controller@"), "compatible") == ["arm,cortex-a15-gic"]
    assert (plan.gic.version, plan.gic.distributor.size, plan.gic.second.size) == (2, 0x1000, 0x2000)
    assert guest.cells("/timer", "interrupts")[:3] == [1, 13, 0x704]


def test_the_early_console_finds_all_it_needs(tmp_path: Path) -> None:
    plan = machine(EMPTY, config())
    guest = Guest(plan, tmp_path)
    node = guest.child("serial@")
    assert guest.text(node, "compatible") == ["ns16550a"]
    assert guest.cells(node, "reg") == [*pair(plan.uart.window.address), 0, 8]
    assert guest.cells(node, "reg-shift") == [0]
    assert guest.cells(node, "reg-io-width") == [1]
    assert guest.cells(node, "clock-frequency") == [1843200]
    assert guest.cells(node, "interrupts") == [0, plan.uart.spi, 4]
    assert guest.text("/aliases", "serial0") == [node]


def test_panic_and_marks_registers_are_where_the_plan_says(tmp_path: Path) -> None:
    plan = machine(EMPTY, config())
    guest = Guest(plan, tmp_path)
    assert guest.cells(guest.child("pvpanic@"), "reg") == [*pair(plan.panic.address), 0, 2]
    assert guest.text(guest.child("pvpanic@"), "compatible") == ["qemu,pvpanic-mmio"]
    assert guest.cells(guest.child("marks@"), "reg") == [*pair(plan.marks.address), 0, plan.marks.size]


def test_a_passed_device_hangs_below_the_platform_bus_and_its_clocks_below_the_root(tmp_path: Path) -> None:
    plan = machine(BOARD, config(MAC), groups={MAC: 4})
    guest = Guest(plan, tmp_path)
    mac = guest.child("ethernet@", "/platform")
    assert guest.text("/platform", "compatible") == ["simple-bus"]
    assert guest.cells("/platform", "ranges") == guest.cells("/platform", "dma-ranges") == []
    first, second = plan.devices[0].mmio
    assert guest.cells(mac, "reg") == [
        *pair(first.guest_address),
        0,
        0x1000,
        *pair(second.guest_address),
        0,
        0x10000,
    ]
    spis = [route.spi for route in plan.devices[0].lines]
    assert guest.cells(mac, "interrupts") == [0, spis[0], 4, 0, spis[1], 1, 0, spis[0], 4]
    rates = {}
    for name in guest.children("/"):
        if name.startswith("clock-"):
            assert guest.text(f"/{name}", "compatible") == ["fixed-clock"]
            rates[guest.cells(f"/{name}", "phandle")[0]] = guest.cells(f"/{name}", "clock-frequency")[0]
    assert [rates[phandle] for phandle in guest.cells(mac, "clocks")] == [12_000_000, 125_000_000]
    assert guest.cells(mac, "vdd-supply") == guest.cells(guest.child("regulator-"), "phandle")
    assert guest.cells(mac, "phy-handle") == guest.cells(f"{mac}/mdio/ethernet-phy@1", "phandle")
    assert guest.text("/aliases", "ethernet0") == [mac]
    assert "dma-coherent" in guest.properties(mac)


def test_a_passed_uart_is_counted_after_the_boards_own(tmp_path: Path) -> None:
    guest = Guest(machine(BOARD, config("a0001000.serial")), tmp_path)
    assert guest.text("/aliases", "serial1") == [guest.child("serial@", "/platform")]


def test_devices_whose_bus_shifts_dma_have_a_bus_of_their_own(tmp_path: Path) -> None:
    source = """
    /dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
      plain@10000 { compatible = "x"; reg = <0 0x10000 0 0x1000>; };
      bus { compatible = "simple-bus"; #address-cells = <1>; #size-cells = <1>; ranges = <0 0 0 0x10000000>;
        dma-ranges = <0xc0000000 0 0 0x40000000>;
        dev@20000 { compatible = "x"; reg = <0x20000 0x1000>; }; }; };
    """
    plan = machine(source, config("10000.plain", "20000.dev"), banks=(Bank(0x1000_0000, 0x2000_0000),))
    guest = Guest(plan, tmp_path)
    assert guest.cells("/platform", "dma-ranges") == []
    assert guest.cells("/platform-1", "dma-ranges") == [0, 0xC0000000, 0, 0, 0, 0x40000000]
    assert guest.child("dev@", "/platform-1")
    assert decompiled(plan.tree)[1] == ""


def test_devices_whose_bus_is_coherent_have_a_bus_of_their_own(tmp_path: Path) -> None:
    source = """
    /dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
      plain@10000 { compatible = "x"; reg = <0 0x10000 0 0x1000>; };
      bus { compatible = "simple-bus"; #address-cells = <2>; #size-cells = <2>; ranges; dma-coherent;
        dev@20000 { compatible = "x"; reg = <0 0x20000 0 0x1000>; }; }; };
    """
    guest = Guest(machine(source, config("10000.plain", "20000.dev")), tmp_path)
    assert "dma-coherent" not in guest.properties("/platform")
    assert "dma-coherent" in guest.properties("/platform-1")
    assert guest.child("dev@", "/platform-1")
