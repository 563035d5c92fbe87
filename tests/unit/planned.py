# SPDX-License-Identifier: Apache-2.0
"""Shortcuts for tests of planning: a DTS in, a plan or a guest's tree out."""

from typing import Any

from msgspec.structs import replace

from midway.board.address_map import AddressMap
from midway.board.interrupt_map import InterruptMap
from midway.board.memory import anonymous_banks
from midway.board.plan import MachinePlan
from midway.board.planning import plan_machine
from midway.board.tree import Seeds
from midway.config import DeviceConfig, MachineConfig
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.findings import Finding, Severity
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.planner import Host, Request, Room, plan_devices
from midway.passthrough.routes import DevicePlan
from unit.dts import compiled, tree

GIC = (
    'gic: gic@1000 { compatible = "arm,gic-v3"; interrupt-controller; #interrupt-cells = <3>;'
    " reg = <0 0x1000 0 0x1000>; };"
)


def board(body: str) -> Tree:
    """A board with a GIC and `body`, all of which have two cells each for addresses and sizes."""
    return tree(f"interrupt-parent = <&gic>; {GIC} {body}")


def device(properties: str, children: str = "", size: str = "0x1000") -> str:
    """The device "d@10000" with these properties and children."""
    return f'd@10000 {{ compatible = "x"; reg = <0 0x10000 0 {size}>; {properties} {children} }};'


def plans(host: Tree, *names: str, rates: Any = lambda _: (), **options: Any) -> tuple[DevicePlan, ...]:
    """Plans of the devices that are named; `options` are of the first's DeviceConfig."""
    devices = devices_of(host)
    found = {device.name: device for device in devices}
    requests = [
        Request(found[name], DeviceConfig(name=name, **(options if not at else {})))
        for at, name in enumerate(names)
    ]
    room = Room(AddressMap(), InterruptMap(), GuestPhandles(host))
    return plan_devices(requests, Host(host, devices, rates), room)


def plan(body: str, name: str = "10000.d", **options: Any) -> DevicePlan:
    """The plan of one device, "d@10000" unless named, of a board with `body`."""
    return plans(board(body), name, **options)[0]


def codes(found: DevicePlan, severity: Severity = Severity.WARNING) -> set[str]:
    """The codes of findings of one severity, but for what is said of every device without an IOMMU."""
    return {finding.code for finding in findings(found, severity)}


def findings(found: DevicePlan, severity: Severity = Severity.WARNING) -> list[Finding]:
    return [
        finding for finding in found.findings if finding.severity is severity and finding.code != "no-iommu"
    ]


def machine(
    source: str, config: MachineConfig, *, groups: dict[str, int] | None = None, **more: Any
) -> MachinePlan:
    """A VM on the board of a DTS; `groups` are IOMMU groups by device, `more` goes to `plan_machine`."""
    root = compiled(source)
    devices = [
        replace(device, iommu_group=(groups or {}).get(device.name)) for device in devices_of(Tree(root))
    ]
    arguments: dict[str, Any] = {
        "banks": anonymous_banks(config),
        "image_size": 32 << 20,
        "text_offset": 0,
        "seeds": Seeds(bytes(range(64)), bytes(range(8))),
    }
    return plan_machine(config, root, devices, **{**arguments, **more})
