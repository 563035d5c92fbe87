# SPDX-License-Identifier: Apache-2.0
"""The guest's board as a value: where everything is, and the tree that says so."""

from typing import TYPE_CHECKING

import msgspec

from midway.config import MachineConfig
from midway.findings import Finding

if TYPE_CHECKING:
    from midway.passthrough.routes import DevicePlan


class Bank(msgspec.Struct, frozen=True):
    """Guest RAM: `address` guest physical, `size` bytes; both multiples of the page size."""

    address: int
    size: int


class Window(msgspec.Struct, frozen=True):
    """An address range of the board's own devices, in bytes."""

    address: int
    size: int


class GicPlan(msgspec.Struct, frozen=True):
    """`second` is GICv2's CPU interface or GICv3's redistributors; `spis` is how many SPIs there are."""

    version: int
    distributor: Window
    second: Window
    spis: int


class UartPlan(msgspec.Struct, frozen=True):
    """A 16550 (registers one byte apart) for early output; `spi` its interrupt."""

    window: Window
    spi: int


class MachinePlan(msgspec.Struct, frozen=True):
    """A whole VM before anything touches the kernel.

    `panic` is a pvpanic-mmio register; every write to the `marks` register records all counters (vm.marks).
    `kernel_address`, `initrd_address`, `tree_address` are guest physical; `tree` is the flattened guest tree.
    """

    config: MachineConfig
    banks: tuple[Bank, ...]
    gic: GicPlan
    uart: UartPlan
    panic: Window
    marks: Window
    devices: "tuple[DevicePlan, ...]"
    kernel_address: int
    initrd_address: int | None
    initrd_size: int
    tree_address: int
    tree: bytes
    findings: tuple[Finding, ...]
