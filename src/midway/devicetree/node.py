# SPDX-License-Identifier: Apache-2.0
"""A device tree as a value: nodes with properties (bytes, big-endian cells) and children, in order."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec


class Node(msgspec.Struct):
    """`name` includes the unit address ("serial@9000000"); the root's name is empty.

    `properties` maps a property's name to its raw value, in the tree's order (devicetree spec v0.4, 2.2).
    """

    name: str
    properties: dict[str, bytes] = {}
    children: list[Node] = []

    def child(self, name: str) -> Node | None:
        return next((node for node in self.children if node.name == name), None)

    def walk(self, path: str = "") -> Iterator[tuple[str, Node]]:
        """Every node at and below this one with its path; the root's path is "/"."""
        pending = [(path, self)]
        while pending:
            prefix, node = pending.pop()
            yield prefix or "/", node
            pending.extend((f"{prefix}/{below.name}", below) for below in reversed(node.children))


def cells(*values: int) -> bytes:
    """32-bit big-endian cells."""
    return struct.pack(f">{len(values)}I", *values)


def cells64(*values: int) -> bytes:
    """Values of two cells each."""
    return struct.pack(f">{len(values)}Q", *values)


def strings(*values: str) -> bytes:
    """A string list."""
    return b"".join(value.encode() + b"\0" for value in values)
