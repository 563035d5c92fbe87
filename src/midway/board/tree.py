# SPDX-License-Identifier: Apache-2.0
"""The guest's whole device tree: this file reads from top to bottom as the tree it makes.

Formats are those of the devicetree specification v0.4 and of Linux' bindings.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from midway.board.plan import Bank, GicPlan, UartPlan, Window
from midway.devicetree.gic import Trigger, flags_of, interrupt_cells
from midway.devicetree.node import Node, cells, cells64, strings
from midway.passthrough.phandles import GIC, GuestPhandles

if TYPE_CHECKING:
    from midway.devicetree.addresses import Span
    from midway.passthrough.routes import DevicePlan

__all__ = ["UART_CLOCK", "Board", "Chosen", "Seeds", "guest_tree", "platform_buses"]

UART_CLOCK = 1_843_200  # Hz; a PC's, of which 115200 baud is a sixteenth
_BAUD = 115_200
_PPI = 1
_TIMER_PPIS = (13, 14, 11, 10)  # secure, non-secure, virtual, hypervisor: as KVM wires them


class Seeds(msgspec.Struct, frozen=True):
    """Random bytes for the guest's kernel: `rng` for its generator, `kaslr` (8 bytes) for its own place."""

    rng: bytes
    kaslr: bytes


class Chosen(msgspec.Struct, frozen=True):
    """What the guest's kernel is started with; `initrd` is None without one."""

    command_line: str
    initrd: Window | None
    seeds: Seeds | None


class Board(msgspec.Struct, frozen=True):
    """The board's own hardware."""

    banks: Sequence[Bank]
    cpus: int
    gic: GicPlan
    uart: UartPlan
    panic: Window
    marks: Window


class _BusKind(msgspec.Struct, frozen=True):
    """What a bus does to the DMA of its devices: where it leads, and whether caches see it."""

    reach: "tuple[Span, ...] | None"
    coherent: bool


def guest_tree(
    board: Board, chosen: Chosen, devices: "Sequence[DevicePlan]", phandles: GuestPhandles
) -> Node:
    """The root; `devices` hang below its platform bus (or buses), and what they point to below the root.

    A pool that a device points to needs no place: the guest reserves it where its RAM is free.
    """
    return Node(
        "",
        {
            "compatible": strings("midway,board"),
            "model": strings("Midway"),
            "#address-cells": cells(2),
            "#size-cells": cells(2),
            "interrupt-parent": cells(phandles.of(GIC)),
        },
        [
            _chosen(board, chosen),
            _aliases(board, devices),
            *(_memory(bank) for bank in board.banks),
            _cpus(board.cpus),
            _psci(),
            _timer(board),
            _interrupt_controller(board.gic, phandles),
            _uart(board.uart),
            _panic(board.panic),
            _marks(board.marks),
            *(provider for device in devices for provider in device.providers),
            *_reserved_memory(devices),
            *platform_buses(devices),
        ],
    )


def _chosen(board: Board, chosen: Chosen) -> Node:
    node = Node("chosen", {"stdout-path": strings(f"{_uart_path(board.uart)}:{_BAUD}n8")})
    if chosen.command_line:
        node.properties["bootargs"] = strings(chosen.command_line)
    if chosen.initrd is not None:
        node.properties["linux,initrd-start"] = cells64(chosen.initrd.address)
        node.properties["linux,initrd-end"] = cells64(chosen.initrd.address + chosen.initrd.size)
    if chosen.seeds is not None:
        node.properties["rng-seed"] = chosen.seeds.rng
        node.properties["kaslr-seed"] = chosen.seeds.kaslr
    return node


def _aliases(board: Board, devices: "Sequence[DevicePlan]") -> Node:
    """serial0 is the board's own; devices keep their kind of name, and are counted anew."""
    node = Node("aliases", {"serial0": strings(_uart_path(board.uart))})
    count = Counter({"serial": 1})
    buses = _bus_names(devices)
    for device in devices:
        for kind in device.aliases:
            node.properties[f"{kind}{count[kind]}"] = strings(_path(device, devices, buses))
            count[kind] += 1
    return node


def _path(device: "DevicePlan", devices: "Sequence[DevicePlan]", buses: Mapping[_BusKind, str]) -> str:
    on_bus = next((other for other in devices if device.above[:1] == (other.node.name,)), device)
    return "/" + "/".join((buses[_bus_kind(on_bus)], *device.above, device.node.name))


def _memory(bank: Bank) -> Node:
    return Node(
        f"memory@{bank.address:x}",
        {"device_type": strings("memory"), "reg": cells64(bank.address, bank.size)},
    )


def _cpus(count: int) -> Node:
    return Node(
        "cpus",
        {"#address-cells": cells(1), "#size-cells": cells(0)},
        [
            Node(
                f"cpu@{number:x}",
                {
                    "device_type": strings("cpu"),
                    "compatible": strings("arm,armv8"),
                    "reg": cells(number),  # MPIDR_EL1's affinity, as KVM numbers the first 16
                    "enable-method": strings("psci"),
                },
            )
            for number in range(count)
        ],
    )


def _psci() -> Node:
    return Node("psci", {"compatible": strings("arm,psci-1.0", "arm,psci-0.2"), "method": strings("hvc")})


def _timer(board: Board) -> Node:
    flags = flags_of(Trigger.LEVEL_HIGH)
    if board.gic.version == 2:
        flags |= ((1 << board.cpus) - 1) << 8  # the CPUs it goes to, which GICv2's binding wants
    return Node(
        "timer",
        {
            "compatible": strings("arm,armv8-timer"),
            "interrupts": b"".join(cells(_PPI, ppi, flags) for ppi in _TIMER_PPIS),
            "always-on": b"",
        },
    )


def _interrupt_controller(gic: GicPlan, phandles: GuestPhandles) -> Node:
    return Node(
        f"interrupt-controller@{gic.distributor.address:x}",
        {
            "compatible": strings("arm,gic-v3" if gic.version == 3 else "arm,cortex-a15-gic"),
            "interrupt-controller": b"",
            "#interrupt-cells": cells(3),
            "#address-cells": cells(0),
            "reg": cells64(
                gic.distributor.address, gic.distributor.size, gic.second.address, gic.second.size
            ),
            "phandle": cells(phandles.of(GIC)),
        },
    )


def _uart_path(uart: UartPlan) -> str:
    return f"/serial@{uart.window.address:x}"


def _uart(uart: UartPlan) -> Node:
    return Node(
        _uart_path(uart)[1:],
        {
            "compatible": strings("ns16550a"),
            "reg": cells64(uart.window.address, uart.window.size),
            "reg-shift": cells(0),
            "reg-io-width": cells(1),
            "interrupts": interrupt_cells(uart.spi, Trigger.LEVEL_HIGH),
            "clock-frequency": cells(UART_CLOCK),
            "current-speed": cells(_BAUD),
        },
    )


def _panic(window: Window) -> Node:
    return Node(
        f"pvpanic@{window.address:x}",
        {"compatible": strings("qemu,pvpanic-mmio"), "reg": cells64(window.address, window.size)},
    )


def _marks(window: Window) -> Node:
    return Node(
        f"marks@{window.address:x}",
        {"compatible": strings("midway,marks"), "reg": cells64(window.address, window.size)},
    )


def _reserved_memory(devices: "Sequence[DevicePlan]") -> list[Node]:
    pools = [pool for device in devices for pool in device.pools]
    if not pools:
        return []
    properties = {"#address-cells": cells(2), "#size-cells": cells(2), "ranges": b""}
    return [Node("reserved-memory", properties, pools)]


def platform_buses(devices: "Sequence[DevicePlan]") -> list[Node]:
    """One bus for all devices whose DMA sees memory alike; their addresses are guest physical."""
    return [
        Node(
            name,
            {
                "compatible": strings("simple-bus"),
                "#address-cells": cells(2),
                "#size-cells": cells(2),
                "ranges": b"",
                "dma-ranges": b"".join(
                    cells64(span.child, span.parent, span.size) for span in kind.reach or ()
                ),
                **({"dma-coherent": b""} if kind.coherent else {}),
            },
            [device.node for device in devices if _bus_kind(device) == kind and not device.above],
        )
        for kind, name in _bus_names(devices).items()
    ]


def _bus_kind(device: "DevicePlan") -> _BusKind:
    return _BusKind(device.dma.reach, device.dma.coherent_bus)


def _bus_names(devices: "Sequence[DevicePlan]") -> dict[_BusKind, str]:
    """The buses' names by what they do to DMA; a device within another is on that one's bus."""
    kinds = dict.fromkeys(_bus_kind(device) for device in devices if not device.above)
    return {kind: "platform" + (f"-{number}" if number else "") for number, kind in enumerate(kinds)}
