# SPDX-License-Identifier: Apache-2.0
"""The guest's phandles: none of them is one of the host's.

A property that nobody knew to be a reference is copied as it is.  Because the two sets are disjoint, it then
points nowhere in the guest, and never to a wrong node.
"""

from collections.abc import Iterable, Mapping

from midway.devicetree.index import Tree
from midway.devicetree.node import Node, cells

__all__ = ["GIC", "GuestPhandles"]

GIC = "the guest's GIC"  # its key
_LAST = 0xFFFFFFFE  # 0 and 0xffffffff are no phandles (devicetree spec v0.4, 2.3.3)


class GuestPhandles:
    """Phandles by what they stand for: the path of a host node that is copied, or a name of the guest's."""

    def __init__(
        self, host: Tree, *, given: Mapping[str, int] | None = None, taken: Iterable[int] = ()
    ) -> None:
        """`given` are phandles that nodes have already, `taken` those that somebody else's nodes have."""
        self._foreign = {*host.phandles, *taken}
        self._next = max((phandle for phandle in self._foreign if phandle < _LAST), default=0)
        self._given = dict(given or {})

    def of(self, key: str) -> int:
        """The phandle of `key`, given to it at the first call."""
        if key not in self._given:
            self._next = self._next % _LAST + 1
            while self._next in self._foreign:
                self._next = self._next % _LAST + 1
            self._given[key] = self._next
        return self._given[key]

    def knows(self, key: str) -> bool:
        """Whether `key` has a phandle."""
        return key in self._given

    def mark(self, key: str, node: Node) -> None:
        """Give the node its phandle, if anything points to it."""
        if key in self._given:
            node.properties["phandle"] = cells(self._given[key])
