# SPDX-License-Identifier: Apache-2.0
"""A device's nodes in the guest as source that dtc compiles, and that says where everything comes from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from midway.devicetree.index import Tree
from midway.devicetree.node import Node, cells, cells64, strings
from midway.devicetree.values import cell_list, number
from midway.errors import TreeError
from midway.passthrough.policies import OPAQUE, REST
from midway.passthrough.routes import DevicePlan
from midway.passthrough.rules import RULES
from midway.passthrough.verdict import verdict
from midway.views.dts import Comments, comment, label, source
from midway.views.origins import Kind, origins

__all__ = ["GIC_LABEL", "device_source"]

GIC_LABEL = "gic"  # what the tree around it has to call the guest's interrupt controller
_POINTS_TO_GIC = "interrupt-parent"


def device_source(plan: DevicePlan, tree: Tree) -> str:
    """Source to be added to a tree whose root has two cells each for addresses and sizes, and a `gic`.

    `tree` is the host's.
    """
    return "\n".join(_lines(plan, tree)) + "\n"


def _lines(plan: DevicePlan, tree: Tree) -> Iterator[str]:
    device = plan.device
    yield comment(f"{device.name}: {verdict(plan.findings)}")
    yield comment(f"on the host: {device.node_path}")
    for finding in plan.findings:
        yield comment(f"{finding.severity} [{finding.code}]: {finding.cause}")
    yield ""
    root = Node("", {}, [*plan.providers, _bus(plan)])
    said = _comments(plan, tree)
    yield from source(
        root,
        0,
        comments=lambda node: said.get(id(node), Comments()),
        labels=_labels(plan),
        references=_References(root),
    )


def _bus(plan: DevicePlan) -> Node:
    """The guest's platform bus with this device alone."""
    return Node(
        "platform",
        {
            "compatible": strings("simple-bus"),
            "#address-cells": cells(2),
            "#size-cells": cells(2),
            "ranges": b"",
            "dma-ranges": b"".join(
                cells64(span.child, span.parent, span.size) for span in plan.dma.reach or ()
            ),
        },
        [plan.node],
    )


def _labels(plan: DevicePlan) -> dict[int, str]:
    """By phandle; one that no node of the device has is the interrupt controller's."""
    found: dict[int, str] = {}
    parents = set()
    for _, node in _all_nodes(plan):
        phandle = number(node, "phandle")
        if phandle is not None:
            made = label(node.name)
            found[phandle] = made if made not in found.values() else f"{made}_{phandle:x}"
        parents.add(number(node, _POINTS_TO_GIC))
    found.update((phandle, GIC_LABEL) for phandle in parents if phandle and phandle not in found)
    return found


def _all_nodes(plan: DevicePlan) -> Iterator[tuple[str, Node]]:
    for top in (*plan.providers, plan.node):
        yield from top.walk()


def _comments(plan: DevicePlan, tree: Tree) -> dict[int, Comments]:
    """By the nodes' identities: nodes are no keys, and two of them can be equal."""
    by_path: dict[str, dict[str, str]] = defaultdict(dict)
    absent: dict[str, list[str]] = defaultdict(list)
    for origin in origins(plan, tree):
        if origin.kind is Kind.ABSENT:
            absent[origin.node].append(f"{origin.name} is left out: {origin.text}")
        else:
            by_path[origin.node][origin.name] = origin.text
    found = {
        id(node): Comments(_title(path, plan), by_path[path], absent[path])
        for path, node in plan.node.walk(plan.device.node_path)
    }
    for node in plan.providers:
        found[id(node)] = Comments("stands in for a provider that stays with the host", {})
    return found


def _title(path: str, plan: DevicePlan) -> str:
    return f"host: {path}" if path == plan.device.node_path else ""


class _References:
    """Where the phandles in a property of the guest's are, as its rule and the providers' cells have it."""

    def __init__(self, root: Node) -> None:
        self._targets: Mapping[int, Node] = {
            phandle: node for _, node in root.walk() if (phandle := number(node, "phandle")) is not None
        }

    def __call__(self, node: Node, name: str) -> Sequence[int]:
        try:
            return self._places(cell_list(node, name), name)
        except TreeError:
            return ()

    def _places(self, values: Sequence[int], name: str) -> Sequence[int]:
        rule = RULES.find(name)
        if name == _POINTS_TO_GIC:
            return (0,)
        count = "#interrupt-cells" if name == "interrupts-extended" else None if rule is None else rule.cells
        if count is None or count == OPAQUE or not values:
            return ()
        if count == REST:
            return (0,)
        places, at = [], 0
        while at < len(values):
            target = self._targets.get(values[at])
            if target is None and values[at]:
                return ()
            places.append(at)
            at += 1
            if target is not None:
                at += count if isinstance(count, int) else number(target, count) or 0
        return places
