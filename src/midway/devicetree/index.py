# SPDX-License-Identifier: Apache-2.0
"""A tree with its paths, phandles and aliases at hand."""

from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar

from midway.devicetree.node import Node
from midway.devicetree.values import number, text
from midway.errors import TreeError

__all__ = ["Tree", "parent_path"]

_Made = TypeVar("_Made")


def parent_path(path: str) -> str:
    """The path of the node above; the root's parent is the root."""
    return path.rpartition("/")[0] or "/"


class Tree:
    """A tree that is looked up and not changed.

    Raises TreeError when two nodes share a path or a phandle, or a phandle is no cell.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self.nodes: dict[str, Node] = {}
        for path, node in root.walk():
            if path in self.nodes:
                raise TreeError("reading a device tree", answer=f"there are two nodes {path}")
            self.nodes[path] = node
        self._by_phandle = self._phandles()
        self._made: dict[Hashable, Any] = {}

    def __getitem__(self, path: str) -> Node:
        try:
            return self.nodes[path]
        except KeyError:
            raise TreeError("looking in the device tree", answer=f"there is no node {path}") from None

    def _phandles(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for path, node in self.nodes.items():
            phandle = number(node, "phandle")
            if phandle is None:
                phandle = number(node, "linux,phandle")
            if phandle is not None and found.setdefault(phandle, path) != path:
                raise TreeError(
                    "reading a device tree",
                    answer=f"{found[phandle]} and {path} have the same phandle {phandle:#x}",
                )
        return found

    def path_of(self, phandle: int) -> str | None:
        """The path of the node with this phandle."""
        return self._by_phandle.get(phandle)

    @property
    def phandles(self) -> frozenset[int]:
        return frozenset(self._by_phandle)

    def upwards(self, path: str) -> Iterator[str]:
        """The paths of the nodes above `path`, nearest first, the root last."""
        while path != "/":
            path = parent_path(path)
            yield path

    def aliases(self, path: str) -> tuple[str, ...]:
        """The names that /aliases gives to a node ("ethernet0"), in order."""
        node = self.nodes.get("/aliases")
        if node is None:
            return ()
        return tuple(name for name in node.properties if text(node, name) == path)

    def once(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """What `make` finds in the tree, found at the first call with this key only."""
        if key not in self._made:
            self._made[key] = make()
        found: _Made = self._made[key]
        return found
