# SPDX-License-Identifier: Apache-2.0
"""Devices planned: host device and configuration in, routes and findings out; nothing is touched."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import msgspec

from midway.board.address_map import PAGE, AddressMap
from midway.board.interrupt_map import InterruptMap
from midway.board.plan import Bank
from midway.config import AddressPolicy, DeviceConfig
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.values import text
from midway.findings import Finding, Severity
from midway.host.device import HostDevice
from midway.passthrough.copying import Copying
from midway.passthrough.dependents import Dependents, Need, dependent_findings, dependents, needed_by
from midway.passthrough.dma import dma_findings, given_iommu_findings, plan_dma
from midway.passthrough.irq import line_findings, line_spis, mode_findings, plan_lines
from midway.passthrough.mmio import mmio_findings, plan_mmio
from midway.passthrough.modes import asked_modes
from midway.passthrough.nesting import Nesting, block_finding, register_block
from midway.passthrough.node import copy_device
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.providers import Providers
from midway.passthrough.routes import DevicePlan, LineRoute, MmioRoute
from midway.passthrough.selection import Selection, select
from midway.passthrough.together import planned_together

__all__ = ["ClockRates", "Host", "Request", "Room", "assess", "assess_all", "no_rates", "plan_devices"]

ClockRates = Callable[[str], Sequence[int | None]]


def no_rates(_: str) -> tuple[int | None, ...]:
    """The clock rates of a host that is not running: of none of its devices are any known."""
    return ()


class Host(msgspec.Struct, frozen=True, dict=True):
    """What planning knows of the host.

    `clock_rates` gives a device's present rates in Hz in the order of its `clocks`, () when nobody knows;
    `page_size` is in bytes.
    """

    tree: Tree
    devices: Sequence[HostDevice]
    clock_rates: ClockRates = no_rates
    page_size: int = PAGE

    @cached_property
    def dependents(self) -> Dependents:
        return dependents(self.tree)

    def owner(self, path: str) -> str | None:
        """The device whose node this is, or the nearest that it is below."""
        for at in (path, *self.tree.upwards(path)):
            if at in self.names:
                return self.names[at]
        return None

    @cached_property
    def by_name(self) -> dict[str, HostDevice]:
        return {device.name: device for device in self.devices}

    @cached_property
    def names(self) -> dict[str, str]:
        """The devices' names by path."""
        return {device.node_path: device.name for device in self.devices}


class Room(msgspec.Struct, frozen=True):
    """Where in the guest devices go; planning takes from it.  `banks` is the guest's RAM."""

    addresses: AddressMap
    interrupts: InterruptMap
    phandles: GuestPhandles
    banks: Sequence[Bank] = ()


class Request(msgspec.Struct, frozen=True):
    """A device to pass, and how."""

    device: HostDevice
    config: DeviceConfig


class _Placed(msgspec.Struct, frozen=True):
    request: Request
    selection: Selection
    mmio: tuple[MmioRoute, ...]
    lines: tuple[LineRoute, ...]


def plan_devices(requests: Sequence[Request], host: Host, room: Room) -> tuple[DevicePlan, ...]:
    """A plan for each of the devices that one guest gets, in order.

    Whatever speaks against a device is in its findings.  Raises PlanError when the guest has no room for it
    or its configuration asks for what cannot be.
    """
    tops = [request.device.node_path for request in requests]
    # What must be at a given place goes first, so that nothing else is there.
    order = sorted(range(len(requests)), key=lambda at: requests[at].config.address is not AddressPolicy.HOST)
    selections = [
        select(host.tree, request.device, {*tops} - {top})
        for request, top in zip(requests, tops, strict=True)
    ]
    present = {path for selection in selections for path in selection.paths}
    placed = {at: _place(requests[at], selections[at], present, host, room) for at in order}
    copies: dict[str, Node] = {}
    nesting = Nesting(
        {tops[at]: placed[at].selection.paths for at in order}, {tops[at]: placed[at].mmio for at in order}
    )
    plans = [_describe(placed[at], tops, present, copies, nesting, host, room) for at in range(len(requests))]
    nesting.hang(copies)
    for path, node in copies.items():
        room.phandles.mark(path, node)
    return tuple(
        msgspec.structs.replace(plan, above=tuple(copies[path].name for path in nesting.above(top)))
        for plan, top in zip(plans, tops, strict=True)
    )


def assess(device: HostDevice, host: Host, config: DeviceConfig | None = None) -> DevicePlan:
    """A device planned for a guest whose RAM is wherever it need be, alone or with those that it needs.

    Those are named in the plan's `together`, and the plan is then the one that it has beside them.
    """
    return assess_all(device, host, config)[0]


def assess_all(device: HostDevice, host: Host, config: DeviceConfig | None = None) -> tuple[DevicePlan, ...]:
    """As `assess`, with the plans of those it is passed together with behind its own."""
    made: dict[tuple[str, ...], tuple[DevicePlan, ...]] = {}

    def plan(names: Sequence[str]) -> tuple[DevicePlan, ...]:
        requests = [Request(host.by_name[name], DeviceConfig(name=name)) for name in names[1:]]
        room = Room(AddressMap(), InterruptMap(), GuestPhandles(host.tree))
        first = Request(device, config or DeviceConfig(name=device.name))
        made[tuple(names)] = plan_devices([first, *requests], host, room)
        return made[tuple(names)]

    (alone,) = plan([device.name])
    final = planned_together(alone, plan)
    return (final, *made[(device.name, *final.together)][1:])


def _place(request: Request, selection: Selection, present: set[str], host: Host, room: Room) -> _Placed:
    device, config = request.device, request.config
    return _Placed(
        request,
        selection,
        plan_mmio(device, config.address, room.addresses, host.page_size),
        plan_lines(device, asked_modes(device, config.irq), room.interrupts, host.tree, present),
    )


def _describe(
    placed: _Placed,
    tops: Sequence[str],
    present: set[str],
    copies: dict[str, Node],
    nesting: Nesting,
    host: Host,
    room: Room,
) -> DevicePlan:
    device, config = placed.request.device, placed.request.config
    rates = host.clock_rates(device.name)
    providers = Providers(device, config, host.tree, present, room.phandles, rates, host.owner)
    work = Copying(
        device,
        host.tree,
        placed.mmio,
        line_spis(device, placed.lines),
        room.phandles,
        providers,
        placed.selection.paths,
        nesting.inner_routes(device.node_path),
        nesting.is_nested(device.node_path),
    )
    made = copy_device(work)
    users = needed_by(placed.selection.paths, tops, host.dependents)
    needing = {host.owner(user) or "" for user, need in users.items() if need is not Need.LIKES}
    block = register_block(device, host.tree, host.devices)
    if block is not None:
        needing.add(block.name)
    providers.check_overrides()
    copies.update(made)
    return DevicePlan(
        device=device,
        mmio=placed.mmio,
        dma=plan_dma(device, host.tree),
        lines=placed.lines,
        node=made[device.node_path],
        providers=providers.stand_ins.nodes,
        findings=(
            *_device_findings(device, host, tops),
            *([block_finding(device, block)] if block is not None and block.node_path not in tops else ()),
            *mmio_findings(device, host.devices, host.page_size),
            *line_findings(device, host.devices, host.tree, present),
            *mode_findings(device, placed.lines, asked_modes(device, config.irq)),
            *dma_findings(device, host.devices, host.tree, room.banks),
            *given_iommu_findings(device, host.tree, present),
            *dependent_findings(device, placed.selection.paths, tops, host.dependents),
            *placed.selection.findings(device, host.names),
            *work.findings,
            *providers.findings,
        ),
        decisions=tuple(providers.decisions),
        aliases=tuple(name.rstrip("0123456789") for name in host.tree.aliases(device.node_path)),
        pools=providers.stand_ins.pools,
        needs=frozenset(providers.needs | (needing - {"", device.name})),
        wants=frozenset(providers.wants - providers.needs),
    )


def _device_findings(device: HostDevice, host: Host, tops: Sequence[str]) -> Iterator[Finding]:
    for fault in device.faults:
        yield Finding(
            "malformed-node", Severity.REFUSAL, device.name, fault, "correct it in the host's device tree"
        )
    if text(host.tree[device.node_path], "device_type") in ("pci", "pciex"):
        yield Finding(
            "pci-host",
            Severity.REFUSAL,
            device.name,
            "it is a PCI host bridge: neither the windows to its functions nor their INTx interrupts are "
            "among a platform device's registers and interrupts",
            "pass the functions behind it with vfio-pci",
        )
    if device.made_by is not None:
        maker = host.by_name.get(device.made_by)
        passed = maker is not None and maker.node_path in tops
        yield Finding(
            "made-by-driver",
            Severity.WARNING if passed else Severity.NOTE,
            device.name,
            f"it exists while the driver of {device.made_by} is bound"
            + (", which is to be passed too" if passed else ""),
            f"leave {device.made_by} with the host",
        )
    if "resets" not in host.tree[device.node_path].properties:
        yield Finding(
            "no-reset",
            Severity.NOTE,
            device.name,
            "the tree names no reset for it: between owners it keeps the state it was left in",
        )
