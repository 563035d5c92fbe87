# SPDX-License-Identifier: Apache-2.0
"""Interrupt nexus nodes: `interrupt-map` (devicetree spec v0.4, 2.4.3)."""

from collections.abc import Iterator

import msgspec

from midway.devicetree.addresses import address_cells
from midway.devicetree.index import Tree, parent_path
from midway.devicetree.values import cell_list, number
from midway.errors import TreeError

__all__ = ["Wire", "through_nexus"]

_MOST_STEPS = 32


class Wire(msgspec.Struct, frozen=True):
    """An interrupt at one controller or nexus: the node's path and the specifier there."""

    controller: str
    specifier: tuple[int, ...]


class _Row(msgspec.Struct, frozen=True):
    key: tuple[int, ...]
    parent: str
    unit: tuple[int, ...]
    specifier: tuple[int, ...]


def through_nexus(tree: Tree, path: str, wire: Wire) -> Wire:
    """Where the wire of node `path` ends: the same wire unless its controller is a nexus.

    Raises TreeError when a map is malformed, has no row for the wire, or leads in a circle.
    """
    unit = cell_list(tree[path], "reg")[: address_cells(tree, parent_path(path))] if path != "/" else ()
    for _ in range(_MOST_STEPS):
        node = tree[wire.controller]
        if "interrupt-controller" in node.properties or "interrupt-map" not in node.properties:
            return wire
        wide = address_cells(tree, wire.controller)
        key = (*unit, *(0,) * wide)[:wide] + wire.specifier
        mask = cell_list(node, "interrupt-map-mask") or (0xFFFFFFFF,) * len(key)
        if len(mask) != len(key):
            raise TreeError(
                f"reading interrupt-map-mask of {wire.controller}", answer="it does not fit the cells"
            )
        row = next((row for row in _rows(tree, wire.controller) if _matches(row.key, key, mask)), None)
        if row is None:
            raise TreeError(
                f"reading the interrupts of {path}", answer=f"{wire.controller} does not map them"
            )
        wire, unit = Wire(row.parent, row.specifier), row.unit
    raise TreeError(f"reading the interrupts of {path}", answer="their nexus nodes lead in a circle")


def _matches(row: tuple[int, ...], key: tuple[int, ...], mask: tuple[int, ...]) -> bool:
    return all((one ^ other) & bits == 0 for one, other, bits in zip(row, key, mask, strict=True))


def _rows(tree: Tree, nexus: str) -> Iterator[_Row]:
    values = cell_list(tree[nexus], "interrupt-map")
    width = address_cells(tree, nexus) + (number(tree[nexus], "#interrupt-cells") or 0)
    attempted = f"reading interrupt-map of {nexus}"
    at = 0
    while at < len(values):
        if at + width >= len(values):
            raise TreeError(attempted, answer="its last row is not complete")
        parent = tree.path_of(values[at + width])
        if parent is None:
            raise TreeError(attempted, answer=f"no node has phandle {values[at + width]:#x}")
        # A parent that states no #address-cells takes none here: unlike in `reg`, they are not inherited.
        wide = number(tree[parent], "#address-cells") or 0
        deep = number(tree[parent], "#interrupt-cells") or 0
        key, start = values[at : at + width], at + width + 1
        at = start + wide + deep
        if at > len(values):
            raise TreeError(attempted, answer="its last row is not complete")
        yield _Row(key, parent, values[start : start + wide], values[start + wide : at])
