# SPDX-License-Identifier: Apache-2.0
"""A tree with its paths, phandles and aliases at hand."""

from collections.abc import Iterator
from functools import cached_property

from midway.devicetree.node import Node
from midway.devicetree.values import number, text
from midway.errors import TreeError

__all__ = ["Tree", "parent_path"]


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

    @cached_property
    def stdout_path(self) -> str | None:
        """The path of the firmware's console (/chosen/stdout-path without the options), if it exists."""
        chosen = self.nodes.get("/chosen")
        said = chosen and (text(chosen, "stdout-path") or text(chosen, "linux,stdout-path"))
        if not said:
            return None
        said = said.partition(":")[0]
        aliases = self.nodes.get("/aliases")
        if not said.startswith("/") and aliases is not None:
            said = text(aliases, said) or said
        return said if said in self.nodes else None
