# SPDX-License-Identifier: Apache-2.0
"""Reserved memory (Linux' binding reserved-memory): what a guest can have instead of the host's."""

from midway.devicetree.addresses import registers
from midway.devicetree.index import Tree
from midway.devicetree.node import Node, cells64
from midway.devicetree.values import cell_list, joined, text_list
from midway.errors import TreeError

__all__ = ["fixed_place", "pool_properties"]

_POOL = "shared-dma-pool"
# A pool without a place is a wish for so many bytes: the guest's own RAM can grant it as well.
_KEPT = ("compatible", "size", "alignment", "no-map", "reusable", "linux,cma-default")
_NUMBERS = frozenset({"size", "alignment"})  # of as many cells as the root has for sizes and addresses


def pool_properties(tree: Tree, path: str) -> dict[str, bytes] | None:
    """The guest's properties of a pool that can lie anywhere.

    None when the region's place or content matters, or its size makes no sense.
    """
    node = tree[path]
    if "reg" in node.properties or "size" not in node.properties:
        return None
    if _POOL not in text_list(node, "compatible"):
        return None
    try:
        return {
            name: _in_two_cells(node, name) if name in _NUMBERS else node.properties[name]
            for name in _KEPT
            if name in node.properties
        }
    except TreeError:
        return None


def _in_two_cells(node: Node, name: str) -> bytes:
    """The number as it is below the guest's root, however many cells the host's has."""
    value = joined(cell_list(node, name))
    if value >> 64:
        raise TreeError(f"reading {name!r} of node {node.name!r}", answer="it takes more than 64 bits")
    return cells64(value)


def fixed_place(tree: Tree, path: str) -> str:
    """A phrase for people: where the region is, and who may have it."""
    node = tree[path]
    try:
        places = registers(tree, path)
    except TreeError:
        places = ()
    place = f" at {places[0][0]:#x}" if places else ""
    whose = (
        "no kernel may map it: it is its firmware's"
        if "no-map" in node.properties
        else "it is not RAM of the guest's"
    )
    return f"reserved memory{place} ({whose})"
