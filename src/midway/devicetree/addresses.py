# SPDX-License-Identifier: Apache-2.0
"""Addresses in a tree: cells, `reg`, and what buses make of them (devicetree spec v0.4, 2.3).

Cell counts that a bus does not state are inherited, as Linux does, rather than the specification's defaults.
"""

import itertools
from collections.abc import Iterable, Iterator

import msgspec

from midway.devicetree.index import Tree, parent_path
from midway.devicetree.references import parse_references
from midway.devicetree.values import cell_list, joined, number, text, text_list
from midway.errors import TreeError

__all__ = [
    "Span",
    "address_cells",
    "cpu_spans",
    "dma_parents",
    "dma_spans",
    "registers",
    "size_cells",
    "spans",
    "translate",
]

_MOST_CELLS = 4
_TOP = 1 << 64
_MOST_SPANS = 1024  # of several buses together, which can have as many as their numbers multiplied
_TO_MEMORY = "dma-mem"  # the name of the interconnect that carries a device's DMA, when it is not its bus


class Span(msgspec.Struct, frozen=True):
    """An entry of `ranges`: `size` bytes at `child` on the bus are at `parent` above it."""

    child: int
    parent: int
    size: int


def address_cells(tree: Tree, bus: str) -> int:
    """How many cells an address takes in the children of `bus`.  Raises TreeError above 4."""
    return _cells(tree, bus, "#address-cells")


def size_cells(tree: Tree, bus: str) -> int:
    """How many cells a size takes in the children of `bus`.  Raises TreeError above 4."""
    return _cells(tree, bus, "#size-cells")


def _cells(tree: Tree, bus: str, name: str) -> int:
    for path in (bus, *tree.upwards(bus)):
        count = number(tree[path], name)
        if count is not None:
            if count > _MOST_CELLS:
                raise TreeError(f"reading {name} of {path}", answer=f"{count} is more than {_MOST_CELLS}")
            return count
    return 1


def registers(tree: Tree, path: str) -> tuple[tuple[int, int], ...]:
    """The node's `reg` as (address, size) on its own bus; an incomplete last entry is left out, as in Linux.

    Raises TreeError when `reg` is no whole number of cells.
    """
    bus = parent_path(path)
    wide, long = address_cells(tree, bus), size_cells(tree, bus)
    values = cell_list(tree[path], "reg")
    step = wide + long
    if not step:
        return ()
    return tuple(
        (joined(values[at : at + wide]), joined(values[at + wide : at + step]))
        for at in range(0, len(values) - step + 1, step)
    )


def spans(tree: Tree, bus: str, name: str = "ranges") -> tuple[Span, ...] | None:
    """The bus's `ranges` (or `dma-ranges`): () means identity, None that it has none.

    Raises TreeError when the property is no whole number of entries.
    """
    node = tree[bus]
    if name not in node.properties:
        return None
    values = cell_list(node, name)
    wide, up, long = address_cells(tree, bus), address_cells(tree, parent_path(bus)), size_cells(tree, bus)
    step = wide + up + long
    if not values:
        return ()
    if not step or len(values) % step:
        raise TreeError(f"reading {name} of {bus}", answer=f"{len(values)} cells are no entries of {step}")
    return tuple(
        Span(
            joined(values[at : at + wide]),
            joined(values[at + wide : at + wide + up]),
            joined(values[at + wide + up : at + step]),
        )
        for at in range(0, len(values), step)
    )


def translate(tree: Tree, path: str, address: int) -> int | None:
    """Where the CPU finds what is at `address` on the bus of node `path`.

    None when a bus on the way does not pass it on, or is PCI (whose addresses say more than a place).
    """
    for bus in tree.upwards(path):
        if bus == "/":
            return address if address < _TOP else None
        if text(tree[bus], "device_type") in ("pci", "pciex"):
            return None
        mapping = spans(tree, bus)
        if mapping is None:
            return None
        if mapping:
            span = next((s for s in mapping if s.child <= address < s.child + s.size), None)
            if span is None:
                return None
            address = address - span.child + span.parent
    return None


def dma_parents(tree: Tree, path: str) -> Iterator[str]:
    """The nodes that DMA of the device at `path` passes, nearest first, the root last: mostly those above it.

    As in Linux, where a node names the interconnect to memory, that one's provider takes its bus's place.
    Raises TreeError when such a reference is malformed, or they lead in a circle.
    """
    passed = {path}
    at = path
    while at != "/":
        at = _dma_parent(tree, at)
        if at in passed:
            raise TreeError(f"following the DMA of {path}", answer=f"it comes to {at} twice")
        passed.add(at)
        yield at


def _dma_parent(tree: Tree, path: str) -> str:
    names = text_list(tree[path], "interconnect-names")
    if _TO_MEMORY in names:
        found = parse_references(tree, path, "interconnects", "#interconnect-cells")
        stated = found[names.index(_TO_MEMORY) :][:1]
        if stated and stated[0].target:
            return stated[0].target
    return parent_path(path)


def dma_spans(tree: Tree, path: str) -> tuple[Span, ...] | None:
    """What the device at `path` can reach by DMA: bus addresses (`child`) and CPU addresses (`parent`).

    None means all of memory at its own addresses.  Raises TreeError when a `dma-ranges` is malformed or takes
    more than 64 bits, or the way to memory is malformed.
    """
    passed = itertools.takewhile(lambda bus: bus != "/", dma_parents(tree, path))
    reach = _composed(path, (spans(tree, bus, "dma-ranges") for bus in passed))
    if any(max(span.child, span.parent, span.size) >= _TOP for span in reach or ()):
        raise TreeError(f"following the DMA of {path}", answer="its dma-ranges take more than 64 bits")
    return reach


def cpu_spans(tree: Tree, bus: str) -> tuple[Span, ...] | None:
    """Where the CPU (`parent`) finds what is on the bus that `bus` is (`child`).

    None means all at its own addresses; () that nothing is passed on.  Raises TreeError when a `ranges` is
    malformed.
    """
    passed = [at for at in (bus, *tree.upwards(bus)) if at != "/"]
    mappings = [spans(tree, at) for at in passed]
    return () if None in mappings else _composed(bus, mappings)


def _composed(path: str, mappings: Iterable[tuple[Span, ...] | None]) -> tuple[Span, ...] | None:
    """What all buses make of addresses, nearest first; those that state nothing change nothing."""
    reach: tuple[Span, ...] | None = None
    for mapping in filter(None, mappings):
        if reach is None:
            reach = mapping
            continue
        reach = tuple(itertools.islice(_through(reach, mapping), _MOST_SPANS + 1))
        if len(reach) > _MOST_SPANS:
            raise TreeError(
                f"following the buses above {path}", answer="they cut its addresses into too many parts"
            )
    return reach


def _through(below: tuple[Span, ...], above: tuple[Span, ...]) -> Iterator[Span]:
    """What is left of `below` after the next bus: the parts that `above` passes on."""
    for lower in below:
        for upper in above:
            start = max(lower.parent, upper.child)
            end = min(lower.parent + lower.size, upper.child + upper.size)
            if start < end:
                yield Span(
                    start - lower.parent + lower.child, start - upper.child + upper.parent, end - start
                )
