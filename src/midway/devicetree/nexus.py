# SPDX-License-Identifier: Apache-2.0
"""Interrupt nexus nodes: `interrupt-map` (devicetree spec v0.4, 2.4.3)."""

from collections.abc import Iterator

import msgspec

from midway.devicetree.addresses import address_cells
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.values import cell_list, is_enabled, number, text_list
from midway.errors import TreeError

__all__ = ["Wire", "through_nexus"]

_MOST_STEPS = 32

# Controllers whose map is for their drivers alone: Linux' list (drivers/of/irq.c), as far as Arm has them.
_NO_NEXUS = frozenset({"fsl,ls1021a-extirq", "fsl,ls1043a-extirq", "fsl,ls1088a-extirq", "renesas,rza1-irqc"})


class Wire(msgspec.Struct, frozen=True):
    """An interrupt at one controller or nexus: the node's path and the specifier there."""

    controller: str
    specifier: tuple[int, ...]


class _Row(msgspec.Struct, frozen=True):
    """`unit` is the address that the wire has at `wire.controller`, should that be a nexus too."""

    unit: tuple[int, ...]
    wire: Wire


class _Map(msgspec.Struct, frozen=True):
    """The rows of a nexus by what the mask leaves of their keys; `fault` is what is wrong behind the last."""

    mask: tuple[int, ...]
    rows: dict[tuple[int, ...], _Row]
    fault: TreeError | None


def through_nexus(tree: Tree, path: str, wire: Wire) -> Wire:
    """Where the wire of node `path` ends: the same wire unless its controller is a nexus.

    Raises TreeError when a map is malformed, has no row for the wire, or leads in a circle.
    """
    unit = cell_list(tree[path], "reg")  # as in Linux, which takes whatever cells it begins with
    wide: int | None = None
    for _ in range(_MOST_STEPS):
        nexus = wire.controller
        if not _is_nexus(tree[nexus]):
            return wire
        if wide is None:
            wide = address_cells(tree, nexus)
        key = (*unit, *(0,) * wide)[:wide] + wire.specifier
        row = _row(_map(tree, nexus, wide), key)
        if row is None:
            raise TreeError(f"reading the interrupts of {path}", answer=f"{nexus} does not map them")
        # Unlike the first, a nexus behind another has no address cells but its own: they are not inherited.
        wire, unit, wide = row.wire, row.unit, len(row.unit)
    raise TreeError(f"reading the interrupts of {path}", answer="their nexus nodes lead in a circle")


def _is_nexus(node: Node) -> bool:
    if "interrupt-map" not in node.properties:
        return False
    return "interrupt-controller" not in node.properties or _NO_NEXUS.isdisjoint(
        text_list(node, "compatible")
    )


def _row(found: _Map, key: tuple[int, ...]) -> _Row | None:
    row = found.rows.get(_masked(key, found.mask))
    if row is None and found.fault is not None:
        raise found.fault.with_traceback(None)  # else it grows with each time
    return row


def _masked(key: tuple[int, ...], mask: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(cell & bits for cell, bits in zip(key, mask, strict=True))


def _map(tree: Tree, nexus: str, wide: int) -> _Map:
    return tree.once(("interrupt-map", nexus, wide), lambda: _read_map(tree, nexus, wide))


def _read_map(tree: Tree, nexus: str, wide: int) -> _Map:
    """The map, for addresses of `wide` cells.  Of rows that match alike the first counts."""
    width = wide + (number(tree[nexus], "#interrupt-cells") or 0)
    mask = cell_list(tree[nexus], "interrupt-map-mask") or (0xFFFFFFFF,) * width
    if len(mask) != width:
        raise TreeError(f"reading interrupt-map-mask of {nexus}", answer="it does not fit the cells")
    rows: dict[tuple[int, ...], _Row] = {}
    try:
        for key, row in _rows(tree, nexus, width):
            # Linux passes over a row whose controller is off.
            if is_enabled(tree[row.wire.controller]):
                rows.setdefault(_masked(key, mask), row)
    except TreeError as error:
        return _Map(mask, rows, error)
    return _Map(mask, rows, None)


def _rows(tree: Tree, nexus: str, width: int) -> Iterator[tuple[tuple[int, ...], _Row]]:
    """Each row with its key of `width` cells."""
    values = cell_list(tree[nexus], "interrupt-map")
    attempted = f"reading interrupt-map of {nexus}"
    at = 0
    while at < len(values):
        if at + width >= len(values):
            raise TreeError(attempted, answer="its last row is not complete")
        parent = tree.path_of(values[at + width])
        if parent is None:
            raise TreeError(attempted, answer=f"no node has phandle {values[at + width]:#x}")
        wide = number(tree[parent], "#address-cells") or 0
        deep = number(tree[parent], "#interrupt-cells") or 0
        key, start = values[at : at + width], at + width + 1
        at = start + wide + deep
        if at > len(values):
            raise TreeError(attempted, answer="its last row is not complete")
        yield key, _Row(values[start : start + wide], Wire(parent, values[start + wide : at]))
