# SPDX-License-Identifier: Apache-2.0
"""Properties that point to other nodes: a phandle, and arguments as many as the provider says."""

from collections.abc import Sequence

import msgspec

from midway.devicetree.index import Tree
from midway.devicetree.values import cell_list, number
from midway.errors import TreeError

__all__ = ["Reference", "parse_references"]

_MOST_ARGUMENTS = 16  # as the kernel's MAX_PHANDLE_ARGS


class Reference(msgspec.Struct, frozen=True):
    """One entry of such a property; `target` is the provider's path, None for an empty entry (phandle 0)."""

    target: str | None
    arguments: tuple[int, ...] = ()


def parse_references(tree: Tree, path: str, name: str, count: str | int) -> tuple[Reference, ...]:
    """The entries of property `name`, whose providers state how many arguments they take in property `count`.

    A provider that does not state it takes none; `count` can be the number itself.  Raises TreeError when a
    phandle dangles or arguments are missing.
    """
    return split_references(tree, cell_list(tree[path], name), count, f"reading {name!r} of {path}")


def split_references(
    tree: Tree, values: Sequence[int], count: str | int, attempted: str
) -> tuple[Reference, ...]:
    """As `parse_references`, from cells already at hand."""
    found = []
    at = 0
    while at < len(values):
        phandle = values[at]
        at += 1
        if not phandle:
            found.append(Reference(None))
            continue
        target = tree.path_of(phandle)
        if target is None:
            raise TreeError(attempted, answer=f"no node has the phandle {phandle:#x}")
        arguments = count if isinstance(count, int) else number(tree[target], count) or 0
        if arguments > _MOST_ARGUMENTS or at + arguments > len(values):
            raise TreeError(attempted, answer=f"{target} takes {arguments} arguments, and they are not there")
        found.append(Reference(target, tuple(values[at : at + arguments])))
        at += arguments
    return tuple(found)
