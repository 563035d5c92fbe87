# SPDX-License-Identifier: Apache-2.0
"""Where each property of a guest's node comes from: the host's node, a rewritten route, a policy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.values import is_enabled, text
from midway.passthrough.dependents import is_reserved
from midway.passthrough.node import OF_A_TREE
from midway.passthrough.routes import Decision, DevicePlan

__all__ = ["Kind", "Origin", "host_paths", "origins"]

_ROUTES = {
    "ranges": "rewritten: where the guest has its registers",
    "dma-ranges": "rewritten: what the host's buses make of DMA addresses",
    "#address-cells": "stated: the host's node has it from the bus",
    "#size-cells": "stated: the host's node has it from the bus",
}


class Kind(StrEnum):
    HOST = "host"  # the host's value
    REWRITTEN = "rewritten"  # the same thing at the guest's place
    POLICY = "policy"  # a reference, decided by its policy
    GUEST = "guest"  # the guest's own
    ABSENT = "absent"  # the host's node has it, the guest's has not


@dataclass(frozen=True, slots=True)
class Origin:
    """Of property `name` of the guest's copy of `node` (the host's path); `text` is for people."""

    node: str
    name: str
    kind: Kind
    text: str


def host_paths(plans: Sequence[DevicePlan]) -> dict[int, str]:
    """The host's paths of all nodes that one guest gets, by the identity of the guest's nodes, parents first.

    A device that is passed with the one above it hangs below that one's copy, under a name of its own.
    """
    tops = {id(plan.node): plan.device.node_path for plan in plans}
    found: dict[int, str] = {}
    pending = [plan.node for plan in plans]
    for node in pending:
        path = found.setdefault(id(node), tops.get(id(node), ""))
        for child in node.children:
            found[id(child)] = tops.get(id(child), f"{path}/{child.name}")
            if id(child) not in tops:
                pending.append(child)
    return found


def origins(plans: Sequence[DevicePlan], tree: Tree) -> Iterator[Origin]:
    """Every property of the devices' nodes in the guest, then those that only the host's have, node by node.

    `tree` is the host's.  A child that stays behind counts as absent from the node above it.
    """
    paths = host_paths(plans)
    tops = {id(plan.node) for plan in plans}
    for plan in plans:
        pending = [plan.node]
        for node in pending:
            yield from _of_node(plan, tree, node, paths)
            pending.extend(child for child in node.children if id(child) not in tops)


def _of_node(plan: DevicePlan, tree: Tree, node: Node, paths: Mapping[int, str]) -> Iterator[Origin]:
    path = paths[id(node)]
    host = tree.nodes.get(path)
    if host is None:
        yield from (Origin(path, name, Kind.GUEST, "the guest's own") for name in node.properties)
        return
    decisions = {decision.property: decision for decision in plan.decisions if decision.node == path}
    for name, value in node.properties.items():
        yield _of_property(plan, path, name, value, host, decisions.get(name))
    for name in host.properties:
        if name not in node.properties and name not in OF_A_TREE:
            yield Origin(path, name, Kind.ABSENT, _why_absent(decisions.get(name)))
    copied = {paths[id(child)] for child in node.children}
    for child in host.children:
        if f"{path}/{child.name}" not in copied:
            yield Origin(path, child.name, Kind.ABSENT, f"a child that stays behind{_state(child)}")


def _state(node: Node) -> str:
    """What the host's node is if it is not in use (devicetree spec v0.4, 2.3.4)."""
    if is_enabled(node):
        return ""
    if is_reserved(node):
        return ": firmware has it"
    return f": {'failed' if (text(node, 'status') or '').startswith('fail') else 'disabled'} on the host"


def _of_property(
    plan: DevicePlan, path: str, name: str, value: bytes, host: Node, decision: Decision | None
) -> Origin:
    top = path == plan.device.node_path
    if name in OF_A_TREE:
        return Origin(path, name, Kind.GUEST, "the guest's own")
    if decision is not None:
        return Origin(path, name, Kind.POLICY, _decided(decision))
    if name == "reg" and top and plan.mmio:
        return Origin(path, name, Kind.REWRITTEN, f"rewritten: host {_regions(plan)}")
    if name == "interrupts" and top and plan.lines:
        return Origin(path, name, Kind.REWRITTEN, f"rewritten: host {_lines(plan)}")
    if name in ("interrupts", "interrupts-extended", "interrupt-parent"):
        same = host.properties.get(name) == value
        return Origin(path, name, Kind.HOST if same else Kind.REWRITTEN, "host" if same else "rewritten")
    if host.properties.get(name) == value:
        return Origin(path, name, Kind.HOST, "host")
    return Origin(path, name, Kind.REWRITTEN, _ROUTES.get(name, "rewritten: only what goes to the guest"))


def _regions(plan: DevicePlan) -> str:
    return ", ".join(
        f"{route.region.address:#x}{'' if route.mapped else ' (trapped)'}" for route in plan.mmio
    )


def _lines(plan: DevicePlan) -> str:
    return ", ".join(
        f"line {line.index} of {line.controller}" if line.spi is None else f"SPI {line.spi}"
        for line in plan.device.lines
    )


def _why_absent(decision: Decision | None) -> str:
    if decision is None:
        return "goes with what it belongs to"
    return _decided(decision)


def _decided(decision: Decision) -> str:
    return f"{decision.policy or 'kept'}: {decision.in_full()}"
