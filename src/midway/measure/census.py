# SPDX-License-Identifier: Apache-2.0
"""Nodes counted by what they state alone, and why not all of them are devices that a host can give away."""

from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from midway.devicetree.index import Tree
from midway.devicetree.values import is_enabled
from midway.passthrough.dependents import is_reserved

__all__ = ["Counted", "Kind", "census", "census_lines", "percent"]


class Kind(StrEnum):
    """Of a node that states a compatible string, registers and interrupts, and is not itself disabled.

    One that has failed, or whose status has no meaning, counts as disabled.
    """

    DEVICE = "a device"
    CONTROLLER = "a device, and an interrupt controller"
    RESERVED = "the status is reserved: firmware has it"
    BELOW_DISABLED = "below a disabled node, and do not exist either"
    BEHIND_A_BUS = "behind I2C, SPI, MDIO or the like, and go wherever that bus' controller goes"


class Counted(NamedTuple):
    """`goes`: it can go to a guest, a node that is no device with the device that it is below."""

    kind: Kind
    goes: bool


def census(tree: Tree, devices: Mapping[str, bool]) -> Counter[Counted]:
    """How many there are of each kind; `devices` says by path of each that counts whether it can be passed.

    Interrupt controllers count where they are devices only.
    """
    return Counter(
        Counted(kind, _goes(tree, path, devices) if kind in _IN_USE else False)
        for path, node in tree.nodes.items()
        if {"compatible", "reg"} <= node.properties.keys()
        and {"interrupts", "interrupts-extended"} & node.properties.keys()
        and (is_enabled(node) or is_reserved(node))
        and (kind := _kind(tree, path, devices)) is not None
    )


_IN_USE = frozenset({Kind.DEVICE, Kind.CONTROLLER, Kind.BEHIND_A_BUS})


def _goes(tree: Tree, path: str, devices: Mapping[str, bool]) -> bool:
    nearest = next((at for at in (path, *tree.upwards(path)) if at in devices), None)
    return nearest is not None and devices[nearest]


def _kind(tree: Tree, path: str, devices: Mapping[str, bool]) -> Kind | None:
    if "interrupt-controller" in tree[path].properties:
        return Kind.CONTROLLER if path in devices else None
    if path in devices:
        return Kind.DEVICE
    branch = [tree[at] for at in (path, *tree.upwards(path))]
    if not all(is_enabled(node) or is_reserved(node) for node in branch):
        return Kind.BELOW_DISABLED
    return Kind.RESERVED if any(map(is_reserved, branch)) else Kind.BEHIND_A_BUS


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def census_lines(counts: Counter[Counted]) -> Iterator[str]:
    """The counts in words."""
    kinds: Counter[Kind] = Counter()
    for counted, number in counts.items():
        kinds[counted.kind] += number
    going = {kind: counts[Counted(kind, True)] for kind in Kind}
    stated = kinds.total() - kinds[Kind.CONTROLLER]
    all_going = going[Kind.DEVICE] + going[Kind.BEHIND_A_BUS]
    yield (
        f"{stated} nodes state registers and interrupts, are not disabled, and control no interrupts; "
        f"{all_going} of them can go to a guest: {percent(all_going, stated)}"
    )
    yield f"{kinds[Kind.DEVICE]} of these are devices, of which {going[Kind.DEVICE]} can be passed"
    yield (
        f"{kinds[Kind.BEHIND_A_BUS]} are {Kind.BEHIND_A_BUS}, which is a guest for {going[Kind.BEHIND_A_BUS]}"
    )
    yield f"{kinds[Kind.BELOW_DISABLED]} are {Kind.BELOW_DISABLED}"
    yield f"{kinds[Kind.RESERVED]}: {Kind.RESERVED}"
    yield f"{kinds[Kind.CONTROLLER]} devices more are interrupt controllers with interrupts of their own"
