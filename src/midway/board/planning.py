# SPDX-License-Identifier: Apache-2.0
"""A VM planned: configuration and host in, every address, interrupt and the guest's tree out.

A pure function: nothing is opened, and the same arguments give the same plan.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midway.board.address_map import PAGE, AddressMap
from midway.board.interrupt_map import InterruptMap
from midway.board.memory import anonymous_banks, place_images
from midway.board.plan import Bank, GicPlan, MachinePlan, UartPlan, Window
from midway.board.tree import Board, Chosen, Seeds, guest_tree
from midway.config import MachineConfig
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.write import write
from midway.errors import PlanError
from midway.findings import Finding, Severity
from midway.passthrough.phandles import GuestPhandles

if TYPE_CHECKING:
    from midway.host.device import HostDevice
    from midway.passthrough.planner import ClockRates
    from midway.passthrough.routes import DevicePlan

__all__ = ["Seeds", "anonymous_banks", "plan_machine"]

_ALIGNMENT = 64 << 10  # KVM's for the GIC's frames, and the largest page that a guest can have
_GICV3_DISTRIBUTOR = 64 << 10
_GICV3_REDISTRIBUTOR = 128 << 10  # for each vCPU
_GICV2_DISTRIBUTOR = 4 << 10
_GICV2_CPU_INTERFACE = 8 << 10
_UART_REGISTERS = 8
_PANIC_REGISTERS = 2
_MARKS_REGISTERS = 4096


def plan_machine(
    config: MachineConfig,
    host_tree: Node,
    devices: "Sequence[HostDevice]",
    *,
    banks: Sequence[Bank],
    image_size: int,
    text_offset: int,
    initrd_size: int = 0,
    gic_version: int = 3,
    clock_rates: "ClockRates | None" = None,
    seeds: Seeds | None = None,
    page_size: int = PAGE,
    address_bits: int = 40,
) -> MachinePlan:
    """The whole VM.

    `devices` are the host's, of which the configuration names some; `banks` is the guest's RAM; `image_size`,
    `text_offset` and `initrd_size` are bytes; `gic_version` is what the VM gets where the configuration does
    not say; `clock_rates` gives a device's present rates in Hz in the order of its `clocks`; `page_size` is
    the host's, `address_bits` the size of the guest's physical address space.

    Raises DeviceError when a device does not exist, PlanError when something has no room, a device is refused
    or, under `strict`, anything is worse than a note; TreeError when a tree is malformed or does not fit.
    """
    addresses = AddressMap(address_bits)
    for bank in banks:
        addresses.reserve(bank.address, bank.size, "the guest's RAM")
    layout = place_images(banks, image_size=image_size, text_offset=text_offset, initrd_size=initrd_size)
    tree = Tree(host_tree)
    interrupts = InterruptMap()
    phandles = GuestPhandles(tree)
    uart_spi = interrupts.allocate("the board's UART")
    plans: tuple[DevicePlan, ...] = ()
    if config.devices:
        # Imported here: it is a tenth of a start, and nothing to a VM without devices.
        from midway.passthrough.planner import Host, Request, Room, no_rates, plan_devices

        requests = [Request(_find(entry.name, devices), entry) for entry in config.devices]
        host = Host(tree, devices, clock_rates or no_rates, page_size)
        plans = plan_devices(requests, host, Room(addresses, interrupts, phandles, banks))
    findings = tuple(finding for plan in plans for finding in plan.findings)
    _check(findings, strict=config.strict)
    board = Board(
        banks=tuple(banks),
        cpus=config.cpus,
        gic=_gic(config.gic or gic_version, config.cpus, addresses, interrupts),
        uart=UartPlan(_window(addresses, _UART_REGISTERS, "the board's UART"), uart_spi),
        panic=_window(addresses, _PANIC_REGISTERS, "the panic register"),
        marks=_window(addresses, _MARKS_REGISTERS, "the marks register"),
    )
    chosen = Chosen(config.append, layout.initrd, seeds)
    return MachinePlan(
        config=config,
        banks=tuple(banks),
        gic=board.gic,
        uart=board.uart,
        panic=board.panic,
        marks=board.marks,
        devices=plans,
        kernel_address=layout.kernel,
        initrd_address=layout.initrd.address if layout.initrd else None,
        initrd_size=initrd_size,
        tree_address=layout.tree,
        tree=write(guest_tree(board, chosen, plans, phandles)),
        findings=findings,
    )


def _find(name: str, devices: "Sequence[HostDevice]") -> "HostDevice":
    found = next((device for device in devices if device.name == name), None)
    if found is None:
        from midway.host.platform import absent  # only here: a VM without devices has no need of it

        raise absent(name, tuple(device.name for device in devices))
    return found


def _check(findings: Sequence[Finding], *, strict: bool) -> None:
    """One line: the first that forbids the VM, and how many more there are."""
    fatal = [
        finding
        for finding in findings
        if finding.severity is Severity.REFUSAL or (strict and finding.severity is Severity.WARNING)
    ]
    if not fatal:
        return
    fatal.sort(key=lambda finding: finding.severity is not Severity.REFUSAL)
    first = fatal[0]
    refused = first.severity is Severity.REFUSAL
    if refused:
        more = sum(finding.severity is Severity.REFUSAL for finding in fatal) - 1
        answer = first.cause + (f"; and {more} more (see `midway explain {first.subject}`)" if more else "")
    else:
        answer = "; ".join(f"[{finding.code}] {finding.cause}" for finding in fatal)
    raise PlanError(
        "cannot be passed" if refused else "not passed under --strict",
        device=first.subject,
        answer=answer,
        remedy=first.remedy or None,
    )


def _gic(version: int, cpus: int, addresses: AddressMap, interrupts: InterruptMap) -> GicPlan:
    first, second = (
        (_GICV3_DISTRIBUTOR, cpus * _GICV3_REDISTRIBUTOR)
        if version == 3
        else (_GICV2_DISTRIBUTOR, _GICV2_CPU_INTERFACE)
    )
    return GicPlan(
        version,
        addresses.allocate(first, "the GIC's distributor", alignment=_ALIGNMENT),
        addresses.allocate(second, "the GIC's second window", alignment=_ALIGNMENT),
        interrupts.size,
    )


def _window(addresses: AddressMap, size: int, owner: str) -> Window:
    """Registers of the board, alone in their page."""
    return Window(addresses.allocate(_ALIGNMENT, owner, alignment=_ALIGNMENT).address, size)
