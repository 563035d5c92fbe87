# SPDX-License-Identifier: Apache-2.0
"""Nodes written as a flattened device tree (devicetree spec v0.4, chapter 5)."""

import libfdt

from midway.devicetree.node import Node
from midway.errors import TreeError

__all__ = ["LARGEST_TREE", "write"]

LARGEST_TREE = 2 << 20  # bytes; the arm64 boot protocol allows no more (Documentation/arm64/booting.rst)
_LAST_TAG = 4  # bytes of FDT_END


def write(root: Node, *, limit: int = LARGEST_TREE) -> bytes:
    """The tree as a blob of version 17 without memory reservations.

    Raises TreeError when it takes more than `limit` bytes.
    """
    writer = _Writer()
    writer.finish_reservemap()
    writer.add(root)
    writer.resize(len(writer.as_bytearray()) + _LAST_TAG)  # as_fdt() does not make room for it
    blob = bytes(writer.as_fdt().as_bytearray())
    size = int.from_bytes(blob[4:8], "big")
    if size > limit:
        raise TreeError(
            "writing the device tree",
            answer=f"it does not fit: {size} bytes, and {limit} are allowed",
            remedy="pass fewer devices to this VM",
        )
    return blob[:size]


class _Writer(libfdt.FdtSw):  # type: ignore[misc]  # libfdt has no types
    """FdtSw grows by a fixed step, and copies everything at each."""

    INC_SIZE = 1 << 16

    def add(self, node: Node) -> None:
        self.begin_node(node.name)
        for name, value in node.properties.items():
            self.property(name, value)
        for child in node.children:
            self.add(child)
        self.end_node()
