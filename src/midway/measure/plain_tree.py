# SPDX-License-Identifier: Apache-2.0
"""A second reader of flattened trees, to check the first by: it shares no code with it, nor with libfdt.

Format: devicetree specification v0.4, chapter 5.  For trees that were made here; it does not defend itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["PlainNode", "parse"]

_MAGIC, _BEGIN, _END, _PROPERTY, _NOTHING, _LAST = 0xD00DFEED, 1, 2, 3, 4, 9


@dataclass(slots=True)
class PlainNode:
    """`path` is "" for the root."""

    path: str
    above: PlainNode | None
    properties: dict[str, bytes] = field(default_factory=dict)
    children: list[PlainNode] = field(default_factory=list)

    def walk(self) -> Iterator[PlainNode]:
        yield self
        for child in self.children:
            yield from child.walk()

    def cells(self, name: str) -> tuple[int, ...]:
        value = self.properties.get(name, b"")
        return struct.unpack(f">{len(value) // 4}I", value[: len(value) // 4 * 4])

    def cell(self, name: str, default: int) -> int:
        found = self.cells(name)
        return found[0] if found else default


def parse(blob: bytes) -> PlainNode:
    """The root.  Raises ValueError where the blob is no tree of version 17."""
    magic, _, structure, names, _, version = struct.unpack_from(">6I", blob)
    if magic != _MAGIC or version != 17:
        raise ValueError("this is no flattened tree of version 17")
    root: PlainNode | None = None
    here: PlainNode | None = None
    at = structure
    while True:
        (token,) = struct.unpack_from(">I", blob, at)
        at += 4
        if token == _BEGIN:
            end = blob.index(b"\0", at)
            name = blob[at:end].decode()
            at = (end + 4) & ~3
            node = PlainNode(f"{here.path}/{name}" if here else name, here)
            if here is not None:
                here.children.append(node)
            root = root or node
            here = node
        elif token == _END and here is not None:
            here = here.above
        elif token == _PROPERTY and here is not None:
            length, offset = struct.unpack_from(">2I", blob, at)
            start = names + offset
            name = blob[start : blob.index(b"\0", start)].decode()
            here.properties[name] = blob[at + 8 : at + 8 + length]
            at = (at + 8 + length + 3) & ~3
        elif token == _LAST and root is not None:
            return root
        elif token != _NOTHING:
            raise ValueError(f"token {token} at byte {at - 4} is out of place")
