# SPDX-License-Identifier: Apache-2.0
"""A flattened device tree read into nodes (devicetree spec v0.4, chapter 5)."""

from collections.abc import Iterator

import libfdt

from midway.devicetree.node import Node
from midway.errors import TreeError

__all__ = ["LARGEST_BLOB", "read"]

LARGEST_BLOB = 16 << 20  # bytes; far above any board's, low enough to bound what a bad file costs
_DEEPEST = 64  # as the kernel's FDT_MAX_DEPTH
_LONGEST_NAME = 255  # characters


def read(blob: bytes) -> Node:
    """The root of the tree in `blob`; bytes after the tree's own size are ignored.

    Raises TreeError when the blob is not a sound tree, is nested deeper than 64 levels, or holds two nodes or
    properties of one name at one place.
    """
    if len(blob) > LARGEST_BLOB:
        raise TreeError("reading a device tree", answer=f"{len(blob)} bytes are more than a tree can have")
    buffer = bytearray(blob)
    fault = libfdt.fdt_check_full(buffer, len(buffer))
    if fault:
        raise TreeError("reading a device tree", answer=libfdt.strerror(fault))
    try:
        return _root(buffer)
    except SystemError as error:  # libfdt's binding, of a name that is no UTF-8
        raise TreeError("reading a device tree", answer="it has names that cannot be text") from error


def _root(buffer: bytearray) -> Node:
    offset, depth = 0, 0
    root = _node(buffer, offset)
    above = [root]
    while True:
        offset, depth = libfdt.fdt_next_node(buffer, offset, depth)
        if offset < 0 or depth < 1:
            return root
        if depth > _DEEPEST:
            raise TreeError("reading a device tree", answer=f"nodes are nested deeper than {_DEEPEST} levels")
        del above[depth:]
        node = _node(buffer, offset)
        above[-1].children.append(node)
        above.append(node)


def _node(buffer: bytearray, offset: int) -> Node:
    name, length = libfdt.fdt_get_name(buffer, offset)
    node = Node(_sound_name(name, length))
    for key, value in _properties(buffer, offset):
        if key in node.properties:
            raise TreeError("reading a device tree", answer=f"node {node.name!r} has {key!r} twice")
        node.properties[key] = value
    return node


def _properties(buffer: bytearray, offset: int) -> Iterator[tuple[str, bytes]]:
    position = libfdt.fdt_first_property_offset(buffer, offset)
    while position >= 0:
        name, value, length = libfdt.fdt_get_property_by_offset(buffer, position)
        yield _sound_name(name, len(name)), bytes(value[:length])
        position = libfdt.fdt_next_property_offset(buffer, position)


def _sound_name(name: str | None, length: int) -> str:
    if name is None:  # only before version 16, whose names are paths
        raise TreeError("reading a device tree", answer=libfdt.strerror(length))
    if length > _LONGEST_NAME or not name.isascii() or not name.isprintable() or "/" in name:
        raise TreeError("reading a device tree", answer=f"{name[:64]!r} cannot be a name in a tree")
    return name
