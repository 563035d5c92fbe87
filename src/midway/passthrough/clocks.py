# SPDX-License-Identifier: Apache-2.0
"""Clocks' rates, as far as a tree tells them, and those that a node wants set."""

from collections.abc import Sequence

from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.references import Reference, parse_references
from midway.devicetree.values import cell_list, number
from midway.errors import TreeError

__all__ = ["assigned_rate", "rates_where", "static_rate"]

_LONGEST_CHAIN = 16


def static_rate(tree: Tree, clock: Reference) -> int | None:
    """The rate in Hz of a clock that states one, or that divides and multiplies one that does; else None."""
    multiplier, divider = 1, 1
    for _ in range(_LONGEST_CHAIN):
        if clock.target is None or clock.arguments:
            return None
        node = tree[clock.target]
        try:
            rate = number(node, "clock-frequency")
            if rate is not None:
                return rate * multiplier // divider
            factor, divisor = number(node, "clock-mult"), number(node, "clock-div")
            parents = parse_references(tree, clock.target, "clocks", "#clock-cells")
        except TreeError:
            return None
        if not factor or not divisor or len(parents) != 1:
            return None
        multiplier, divider, clock = multiplier * factor, divider * divisor, parents[0]
    return None


def assigned_rate(tree: Tree, path: str, clock: Reference) -> int | None:
    """The rate in Hz that the node asks the host to set (`assigned-clock-rates`), None when it does not."""
    try:
        clocks = parse_references(tree, path, "assigned-clocks", "#clock-cells")
        rates = cell_list(tree[path], "assigned-clock-rates")
    except TreeError:
        return None
    return next((rate for known, rate in zip(clocks, rates, strict=False) if known == clock and rate), None)


def rates_where(kept: Sequence[bool], node: Node) -> dict[str, bytes]:
    """The properties with the rates that `node` wants set, where they change: 0, which sets none, for a clock
    that is not kept.  `kept` is by the clock's place.
    """
    changes = {}
    for name, size in (("assigned-clock-rates", 4), ("assigned-clock-rates-u64", 8)):
        rates = node.properties.get(name, b"")
        left = b"".join(
            rates[at : at + size] if at // size >= len(kept) or kept[at // size] else bytes(size)
            for at in range(0, len(rates), size)
        )
        if left != rates:
            changes[name] = left
    return changes
