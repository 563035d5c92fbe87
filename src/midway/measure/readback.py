# SPDX-License-Identifier: Apache-2.0
"""Guests' trees of whole boards, compiled with dtc and read back by a reader that Midway does not use itself.

What was promised: every register block and interrupt of the host's node, no reference to what is not there,
and nothing that dtc warns of unless the host's own node has it too.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midway.board.address_map import AddressMap
from midway.board.interrupt_map import InterruptMap
from midway.board.plan import GicPlan, UartPlan, Window
from midway.board.tree import Board as Machine
from midway.board.tree import Chosen, guest_tree
from midway.config import DeviceConfig
from midway.devicetree.devices import devices_of
from midway.devicetree.write import write
from midway.measure.corpus import Board
from midway.measure.plain_checks import reference_faults, register_places, spis_of, wires_of
from midway.measure.plain_tree import PlainNode, parse
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.planner import Host, Request, Room, assess_all, plan_devices
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import Verdict, verdict

__all__ = ["Guest", "dtc_warnings", "faults_of", "guests_of"]

_MACHINE = Machine(
    (),
    1,
    GicPlan(3, Window(0x10000, 0x10000), Window(0x20000, 0x20000), 32),
    UartPlan(Window(0x40000, 8), 0),
    Window(0x50000, 2),
    Window(0x60000, 0x1000),
)
_WARNING = re.compile(r"Warning \((\w+)\): (/[^:]*)(?::|$)")


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest's tree with one device, or with those that go together."""

    blob: bytes
    plans: tuple[DevicePlan, ...]


def guests_of(board: Board) -> Iterator[Guest]:
    """A guest for every device that can be passed, which is the first of its plans."""
    tree = board.tree()
    devices = devices_of(tree)
    host = Host(tree, devices)
    for device in devices:
        assessed = assess_all(device, host)
        if verdict(assessed[0].findings) is Verdict.REFUSED:
            continue
        phandles = GuestPhandles(tree)
        requests = [Request(plan.device, DeviceConfig(name=plan.device.name)) for plan in assessed]
        plans = plan_devices(requests, host, Room(AddressMap(), InterruptMap(), phandles))
        yield Guest(write(guest_tree(_MACHINE, Chosen("", None, None), plans, phandles)), plans)


def dtc_warnings(blob: bytes) -> set[tuple[str, str]]:
    """What dtc has to say of a tree, as (kind of warning, path).  Raises where it is no tree to dtc."""
    words = ["dtc", "-I", "dtb", "-O", "dtb", "-o", "/dev/null", "-"]
    made = subprocess.run(words, input=blob, check=True, capture_output=True)
    return {(kind, path) for kind, path in _WARNING.findall(made.stderr.decode())}


def faults_of(guest: Guest, host: PlainNode, known: set[tuple[str, str]]) -> Iterator[str]:
    """Every promise that the guest's tree does not keep; `known` are dtc's warnings of the host's tree."""
    root = parse(guest.blob)
    nodes = {node.path: node for node in root.walk()}
    originals = {node.path: node for node in host.walk()}
    places = dict(_places(nodes, guest.plans))
    for plan in guest.plans:
        path = places.get(plan.device.node_path)
        if path is None:
            yield f"{plan.device.name}: its node is missing"
            continue
        yield from _device_faults(plan, nodes[path], originals[plan.device.node_path], root, host)
    yield from reference_faults(root, host)
    for kind, path in dtc_warnings(guest.blob):
        if (kind, _origin(path, places)) not in known:
            yield f"dtc: {kind} at {path}"


def _places(nodes: dict[str, PlainNode], plans: Sequence[DevicePlan]) -> Iterator[tuple[str, str]]:
    """Each device's path on the host and in the guest."""
    buses = [path for path in nodes if path.startswith("/platform") and path.count("/") == 1]
    for plan in plans:
        for bus in buses:
            path = "/".join((bus, *plan.above, plan.node.name))
            if path in nodes:
                yield plan.device.node_path, path


def _origin(path: str, places: dict[str, str]) -> str | None:
    """The host's node of which a guest's node is the copy."""
    inside = [item for item in places.items() if path == item[1] or path.startswith(f"{item[1]}/")]
    if not inside:
        return None
    host, guest = max(inside, key=lambda item: len(item[1]))
    return host + path.removeprefix(guest)


def _device_faults(
    plan: DevicePlan, node: PlainNode, original: PlainNode, root: PlainNode, host: PlainNode
) -> Iterator[str]:
    name = plan.device.name
    found, wanted = register_places(node), register_places(original)
    reached = wanted[: len(plan.mmio)]
    if [size for _, size in found[: len(reached)]] != [size for _, size in reached]:
        yield f"{name}: reg has sizes {found}, the host's {wanted}"
    if any(place is not None for place, _ in wanted[len(reached) :]):
        yield f"{name}: a region of the host's is missing"
    if [place for place, _ in found[: len(reached)]] != [route.guest_address for route in plan.mmio]:
        yield f"{name}: its registers are not where they were planned"
    wires, lines = wires_of(original, host), wires_of(node, root)
    if [wires.index(wire) for wire in wires] != [lines.index(line) for line in lines]:
        yield f"{name}: {len(wires)} interrupts on the host are {len(lines)} in the guest, or in other order"
    if spis_of(node, root) != {route.spi for route in plan.lines}:
        yield f"{name}: its interrupts are not those that were planned"
