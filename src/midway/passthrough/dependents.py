# SPDX-License-Identifier: Apache-2.0
"""Who points to whom on the host: a device that others need cannot simply leave it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum

from midway.devicetree.index import Tree
from midway.devicetree.interrupts import interrupt_parent, interrupt_wires, root_gic
from midway.devicetree.nexus import through_nexus
from midway.devicetree.node import Node
from midway.devicetree.values import is_enabled, text
from midway.errors import TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice
from midway.passthrough.providers import references_of
from midway.passthrough.rules import RULES

__all__ = ["Dependents", "Need", "dependent_findings", "dependents", "is_reserved", "needed_by"]


class Need(IntEnum):
    """How much a node depends on another."""

    LIKES = 0  # it can do without
    NEEDS = 1  # it cannot
    STAYS = 2  # nor can the host, whoever leaves with it


Dependents = Mapping[str, Mapping[str, Need]]
_SHOWN = 3


def dependents(tree: Tree) -> Dependents:
    """By provider's path: the nodes that depend on it, and how much.

    They are the enabled ones, and those that are reserved for firmware, which drives them without a word of
    what it can do without.
    """
    found: dict[str, dict[str, Need]] = defaultdict(dict)
    pending = [("", tree.root, Need.LIKES)]
    while pending:
        prefix, node, least = pending.pop()
        if is_reserved(node):
            least = Need.NEEDS
        elif not is_enabled(node):
            continue
        path = prefix or "/"
        pending.extend((f"{prefix}/{child.name}", child, least) for child in node.children)
        if root_gic(tree, path) is not None:
            found[path]["/cpus"] = Need.STAYS  # all their interrupts come from it, which no node need say
        for target, need in (*_interrupts_of(tree, path), *_references_from(tree, path)):
            found[target][path] = max(need, least, found[target].get(path, need))
    return found


def is_reserved(node: Node) -> bool:
    """Whether the node and what is below it work, and firmware has them (devicetree spec v0.4, 2.3.4)."""
    return text(node, "status") == "reserved"


def _interrupts_of(tree: Tree, path: str) -> Iterator[tuple[str, Need]]:
    """The controllers that the node's interrupts end at, be it a device or not (a timer, a chip behind I2C).

    A controller that states none hands those of others on to its parent.
    """
    try:
        stated = (wire for wire in interrupt_wires(tree, path) if wire is not None)
        controllers = {through_nexus(tree, path, wire).controller for wire in stated}
        if not controllers and "interrupt-controller" in tree[path].properties:
            controllers = {interrupt_parent(tree, path)}
    except TreeError:
        return  # a fault of that node, found when it is passed itself
    for controller in controllers:
        at_gic = root_gic(tree, controller) is not None
        yield controller, Need.STAYS if at_gic else Need.NEEDS


def _references_from(tree: Tree, path: str) -> Iterator[tuple[str, Need]]:
    node = tree[path]
    for name in node.properties:
        rule = RULES.of(node, name)
        if rule is None:
            continue
        try:
            entries = references_of(tree, path, name, rule)
        except TreeError:
            continue  # as above
        need = Need.STAYS if rule.stays else Need.NEEDS if rule.critical else Need.LIKES
        yield from ((entry.target, need) for entry in entries if entry.target)


def needed_by(paths: Sequence[str], passed: Sequence[str], known: Dependents) -> dict[str, Need]:
    """Who on the host depends on the nodes `paths` and is not below one of `passed`.

    A node that only serves what is passed is idle on the host from then on: it does not count.
    """
    users: dict[str, Need] = {}
    for path in paths:
        for user, need in known.get(path, {}).items():
            gone = paths if need is Need.STAYS else passed
            served = known.get(user, {})
            idle = served and need is not Need.STAYS and all(_within(other, passed) for other in served)
            if not idle and not _within(user, gone):
                users[user] = max(need, users.get(user, need))
    return users


def dependent_findings(
    device: HostDevice, paths: Sequence[str], passed: Sequence[str], known: Dependents
) -> Iterator[Finding]:
    """What is to be said of those that need the device; `paths` are its nodes, `passed` all passed."""
    users = needed_by(paths, passed, known)
    if not users:
        return
    needing = sorted(user for user, need in users.items() if need is not Need.LIKES)
    named = needing or sorted(users)
    shown = ", ".join(named[:_SHOWN]) + (f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else "")
    if any(need is Need.STAYS for need in users.values()):
        yield Finding(
            "serves-the-host",
            Severity.REFUSAL,
            device.name,
            f"it is what the host's kernel governs the hardware with, for {shown}",
            "none: it stays with the host, which does for passed devices what they need of it",
        )
    elif needing:
        yield Finding(
            "provider-of-others",
            Severity.REFUSAL,
            device.name,
            f"the host needs it: {shown} cannot work without",
            "pass the devices that need it with it, or disable them in the host's tree",
        )
    else:
        yield Finding(
            "provider-of-others",
            Severity.WARNING,
            device.name,
            f"{shown} on the host uses it and will be without",
            "pass it too, or unbind its driver first",
        )


def _within(path: str, tops: Sequence[str]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
