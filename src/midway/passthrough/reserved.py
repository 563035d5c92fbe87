# SPDX-License-Identifier: Apache-2.0
"""Reserved memory (Linux' binding reserved-memory): what a guest can have instead of the host's."""

from midway.devicetree.index import Tree
from midway.devicetree.values import cell_list, joined, text_list
from midway.errors import TreeError

__all__ = ["fixed_place", "pool_properties"]

_POOL = "shared-dma-pool"
# A pool without a place is a wish for so many bytes: the guest's own RAM can grant it as well.
_KEPT = ("compatible", "size", "alignment", "no-map", "reusable", "linux,cma-default")


def pool_properties(tree: Tree, path: str) -> dict[str, bytes] | None:
    """The properties of a pool that can lie anywhere; None when the region's place or content matters."""
    node = tree[path]
    if "reg" in node.properties or "size" not in node.properties:
        return None
    if _POOL not in text_list(node, "compatible"):
        return None
    return {name: node.properties[name] for name in _KEPT if name in node.properties}


def fixed_place(tree: Tree, path: str) -> str:
    """A phrase for people: where the region is, and who may have it."""
    node = tree[path]
    try:
        values = cell_list(node, "reg")
    except TreeError:
        values = ()
    place = f" at {joined(values[:2]):#x}" if len(values) >= 4 else ""
    whose = (
        "no kernel may map it: it is its firmware's"
        if "no-map" in node.properties
        else "it is not RAM of the guest's"
    )
    return f"reserved memory{place} ({whose})"
