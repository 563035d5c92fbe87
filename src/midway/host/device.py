# SPDX-License-Identifier: Apache-2.0
"""What the host has at one place of its platform bus, as values."""

from enum import StrEnum

import msgspec

from midway.devicetree.gic import Trigger


class Region(msgspec.Struct, frozen=True):
    """One window of registers, in the order of the node's `reg`; address and size in bytes, host physical."""

    index: int
    address: int
    size: int
    name: str | None = None


class Line(msgspec.Struct, frozen=True):
    """One interrupt of a device, in the order of the node's interrupts.

    An empty entry of these has an index, and no line.
    `spi` is the shared peripheral interrupt's number at the GIC (INTID - 32); None when the line goes
    to another controller (`controller` is that node's path) or is a PPI.  `duplicate_of` is the index of an
    earlier line with the identical specifier: the two are one line.
    """

    index: int
    trigger: Trigger
    controller: str
    specifier: tuple[int, ...]
    spi: int | None = None
    name: str | None = None
    duplicate_of: int | None = None


class Bus(StrEnum):
    """Which of the kernel's buses the device is on; AMBA has drivers of its own."""

    PLATFORM = "platform"
    AMBA = "amba"


class HostDevice(msgspec.Struct, frozen=True):
    """A platform device: its name on the bus, its node, and what the kernel says of it.

    `driver` is the driver bound now, `iommu_group` the group's number or None when there is none.
    `made_by` is the device (or node) whose driver makes this one, None when the kernel does at boot.
    `faults` is what is malformed in its node: a device with some cannot be passed.
    """

    name: str
    node_path: str
    compatible: tuple[str, ...]
    regions: tuple[Region, ...]
    lines: tuple[Line, ...]
    driver: str | None = None
    iommu_group: int | None = None
    bus: Bus = Bus.PLATFORM
    made_by: str | None = None
    faults: tuple[str, ...] = ()
