# SPDX-License-Identifier: Apache-2.0
"""Devices' nodes in the guest as source that dtc compiles, and that says where everything comes from."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from midway.board.tree import platform_buses
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.values import cell_list, number
from midway.errors import TreeError
from midway.passthrough.policies import ID_MAP, OPAQUE, REST
from midway.passthrough.routes import DevicePlan
from midway.passthrough.rules import RULES
from midway.passthrough.verdict import verdict_phrase
from midway.views.dts import Comments, comment, label, source
from midway.views.origins import Kind, host_paths, origins

__all__ = ["GIC_LABEL", "device_source"]

GIC_LABEL = "gic"  # what the tree around it has to call the guest's interrupt controller
_POINTS_TO_GIC = "interrupt-parent"
_MAY_POINT_TO_GIC = "interrupts-extended"
_GIC_CELLS = 3  # in the guest


def device_source(plans: Sequence[DevicePlan], tree: Tree) -> str:
    """Source to be added to a tree whose root has two cells each for addresses and sizes, and a `gic`.

    `plans` are a device's and those of the devices it is passed together with; `tree` is the host's.
    """
    return "\n".join(_lines(plans, tree)) + "\n"


def _lines(plans: Sequence[DevicePlan], tree: Tree) -> Iterator[str]:
    first = plans[0]
    yield comment(f"{first.device.name}: {verdict_phrase(first)}")
    yield from (comment(f"{found.severity} [{found.code}]: {found.cause}") for found in first.findings)
    yield ""
    root = Node("", {}, [*(node for plan in plans for node in plan.providers), *platform_buses(plans)])
    said = _comments(plans, tree)
    yield from source(
        root,
        0,
        comments=lambda node: said.get(id(node), Comments()),
        labels=_labels(root),
        references=_References(root),
    )


def _labels(root: Node) -> dict[int, str]:
    """By phandle; one that a node's interrupts go to and that is no node's own is the controller's."""
    found: dict[int, str] = {}
    parents = set()
    targets = _targets(root)
    for _, node in root.walk():
        phandle = number(node, "phandle")
        if phandle is not None:
            made = label(node.name)
            taken = made in found.values() or made == GIC_LABEL
            found[phandle] = f"{made}_{phandle:x}" if taken else made
        parents.add(number(node, _POINTS_TO_GIC))
        stated = cell_list(node, _MAY_POINT_TO_GIC)
        parents.update(stated[at] for at in _interrupt_places(stated, targets))
    found.update((phandle, GIC_LABEL) for phandle in parents if phandle and phandle not in found)
    return found


def _comments(plans: Sequence[DevicePlan], tree: Tree) -> dict[int, Comments]:
    """By the nodes' identities: nodes are no keys, and two of them can be equal."""
    present: dict[str, dict[str, str]] = defaultdict(dict)
    absent: dict[str, list[str]] = defaultdict(list)
    for origin in origins(plans, tree):
        if origin.kind is Kind.ABSENT:
            absent[origin.node].append(f"{origin.name} is left out: {origin.text}")
        else:
            present[origin.node][origin.name] = origin.text
    tops = {plan.device.node_path for plan in plans}
    found = {
        key: Comments(f"host: {path}" if path in tops else "", present[path], absent[path])
        for key, path in host_paths(plans).items()
    }
    for plan in plans:
        for node in plan.providers:
            found[id(node)] = Comments("stands in for a provider that stays with the host")
    return found


def _targets(root: Node) -> Mapping[int, Node]:
    """The nodes by phandle."""
    return {phandle: node for _, node in root.walk() if (phandle := number(node, "phandle")) is not None}


def _interrupt_places(values: Sequence[int], targets: Mapping[int, Node]) -> Iterator[int]:
    """Where in `interrupts-extended` the phandles are; one that no node has is the interrupt controller's."""
    at = 0
    while at < len(values):
        yield at
        target = targets.get(values[at])
        cells = _GIC_CELLS if target is None else number(target, "#interrupt-cells") or 0
        at += 1 + (cells if values[at] else 0)


class _References:
    """Where the phandles in a property of the guest's are, as its rule and the providers' cells have it."""

    def __init__(self, root: Node) -> None:
        self._targets = _targets(root)

    def __call__(self, node: Node, name: str) -> Sequence[int]:
        try:
            return self._places(cell_list(node, name), node, name)
        except TreeError:
            return ()

    def _places(self, values: Sequence[int], node: Node, name: str) -> Sequence[int]:
        rule = RULES.of(node, name)
        if name == _POINTS_TO_GIC:
            return (0,)
        if name == _MAY_POINT_TO_GIC:
            return [at for at in _interrupt_places(values, self._targets) if values[at]]
        count = None if rule is None else rule.cells
        if count is None or count == OPAQUE or not values:
            return ()
        if count == REST:
            return (0,)
        if count == ID_MAP:
            return range(1, len(values), 4)
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
