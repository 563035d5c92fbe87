# SPDX-License-Identifier: Apache-2.0
"""What a property's bytes mean: cells, numbers, strings."""

import struct
from collections.abc import Sequence

from midway.devicetree.node import Node
from midway.errors import TreeError

__all__ = ["cell_list", "is_enabled", "joined", "number", "text", "text_list"]


def cell_list(node: Node, name: str) -> tuple[int, ...]:
    """The property as 32-bit cells, () when absent.  Raises TreeError when it is no whole number of them."""
    value = node.properties.get(name, b"")
    if len(value) % 4:
        raise TreeError(f"reading {name!r} of node {node.name!r}", answer=f"{len(value)} bytes are no cells")
    return struct.unpack(f">{len(value) // 4}I", value)


def number(node: Node, name: str) -> int | None:
    """The property as one 32-bit number, None when absent.  Raises TreeError when it is anything else."""
    value = node.properties.get(name)
    if value is None:
        return None
    if len(value) != 4:
        raise TreeError(f"reading {name!r} of node {node.name!r}", answer=f"{len(value)} bytes are no cell")
    return int.from_bytes(value, "big")


def joined(cells: Sequence[int]) -> int:
    """Cells as one number, most significant first; 0 for none."""
    value = 0
    for cell in cells:
        value = value << 32 | cell
    return value


def text_list(node: Node, name: str) -> tuple[str, ...]:
    """The property as strings, () when it is absent or empty; bytes that are not UTF-8 are replaced."""
    value = node.properties.get(name, b"").removesuffix(b"\0")
    return tuple(part.decode("utf-8", "replace") for part in value.split(b"\0")) if value else ()


def text(node: Node, name: str) -> str | None:
    """The first of the property's strings."""
    return next(iter(text_list(node, name)), None)


def is_enabled(node: Node) -> bool:
    """Whether `status` (devicetree spec v0.4, 2.3.4) lets the node be used; absent is yes, empty is no."""
    return "status" not in node.properties or text(node, "status") in ("okay", "ok")
