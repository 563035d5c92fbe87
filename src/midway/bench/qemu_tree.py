# SPDX-License-Identifier: Apache-2.0
"""The tree of a guest of QEMU's that is given a platform device: QEMU's own, with Midway's node in it.

QEMU's machine `virt` makes no node for a device that it does not know; whoever gives it a tree (-dtb) has to
know where it puts the device.  It fills the window of its platform bus from the lowest address, and the bus'
interrupts from the first (hw/arm/virt.c, hw/core/platform-bus.c of QEMU 7.2).
"""

from collections.abc import Sequence

from midway.board.address_map import AddressMap
from midway.board.interrupt_map import InterruptMap
from midway.board.plan import Bank
from midway.board.tree import platform_buses
from midway.config import DeviceConfig, InterruptMode
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.read import read
from midway.devicetree.values import number
from midway.devicetree.write import write
from midway.errors import PlanError
from midway.host.device import HostDevice
from midway.passthrough.phandles import GIC, GuestPhandles
from midway.passthrough.planner import ClockRates, Host, Request, Room, plan_devices

__all__ = ["PLATFORM_BUS", "RAM_BASE", "qemu_tree"]

RAM_BASE = 0x4000_0000  # guest physical, of QEMU's virt
PLATFORM_BUS = 0x0C00_0000  # guest physical, the window of its platform bus
_FIRST_SPI = 112  # of the platform bus


def qemu_tree(
    base: bytes, host_tree: Node, devices: Sequence[HostDevice], name: str, memory: int, rates: ClockRates
) -> bytes:
    """QEMU's tree `base`, with the device `name` on a bus of its own.

    `devices` are the host's, `memory` is the guest's in MiB, `rates` gives a device's present clock rates.
    Raises PlanError for a device that has not exactly one region (QEMU packs several more tightly than Midway
    does), TreeError when a tree is not sound.
    """
    root, host = read(base), Tree(host_tree)
    device = next(device for device in devices if device.name == name)
    if len(device.regions) != 1:
        raise PlanError(
            "giving it to a guest of QEMU's",
            device=name,
            answer=f"it has {len(device.regions)} regions, not 1",
        )
    addresses, interrupts = AddressMap(), InterruptMap()
    addresses.reserve(0, PLATFORM_BUS, "QEMU's other devices")
    for spi in range(_FIRST_SPI):
        interrupts.reserve(spi, "QEMU's other devices")
    bank = Bank(RAM_BASE, memory << 20)
    addresses.reserve(bank.address, bank.size, "the guest's RAM")
    gic = number(root, "interrupt-parent")
    phandles = GuestPhandles(host, given={GIC: gic} if gic else {}, taken=Tree(root).phandles)
    request = Request(device, DeviceConfig(name=name, irq=InterruptMode.IRQFD))
    plans = plan_devices(
        [request], Host(host, devices, rates), Room(addresses, interrupts, phandles, (bank,))
    )
    root.children += [provider for plan in plans for provider in plan.providers]
    root.children += _renamed(platform_buses(plans))
    return write(root)


def _renamed(buses: Sequence[Node]) -> list[Node]:
    """QEMU's tree may have a bus of the usual name already."""
    return [Node(f"midway-{bus.name}", bus.properties, bus.children) for bus in buses]
