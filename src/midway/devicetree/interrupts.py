# SPDX-License-Identifier: Apache-2.0
"""A node's interrupts, followed to the controller that takes them (devicetree spec v0.4, 2.4)."""

from midway.devicetree.gic import gic_version, spi_of, trigger_of
from midway.devicetree.index import Tree, parent_path
from midway.devicetree.nexus import Wire, through_nexus
from midway.devicetree.references import parse_references
from midway.devicetree.values import cell_list, number, text_list
from midway.errors import TreeError
from midway.host.device import Line

__all__ = ["interrupt_parent", "interrupt_wires", "lines", "root_gic"]

_MOST_CELLS = 16
_GIC_CELLS = (3, 4)

# Controllers with specifiers of several cells, none of which are flags: all of their lines are levels.
_WITHOUT_FLAGS = frozenset({"brcm,bcm2835-armctrl-ic", "brcm,bcm2836-armctrl-ic"})


def interrupt_parent(tree: Tree, path: str) -> str:
    """The controller or nexus that the node's `interrupts` go to: the nearest one named or met on the way up.

    Raises TreeError when there is none, or a phandle dangles.
    """
    at = path
    visited = set()
    while at not in visited:
        visited.add(at)
        phandle = number(tree[at], "interrupt-parent")
        if phandle is None:
            if at == "/":
                break
            at = parent_path(at)
        else:
            target = tree.path_of(phandle)
            if target is None:
                raise TreeError(
                    f"reading the interrupt parent of {at}", answer=f"no node has phandle {phandle:#x}"
                )
            at = target
        if "#interrupt-cells" in tree[at].properties:
            return at
    raise TreeError(f"reading the interrupts of {path}", answer="it has no interrupt parent")


def interrupt_wires(tree: Tree, path: str) -> tuple[Wire | None, ...]:
    """The node's interrupts as it states them, in order; `interrupts-extended` goes before `interrupts`.

    None is an empty entry: an interrupt that is not there, so that others keep their index and name.
    Raises TreeError when they are malformed.
    """
    node = tree[path]
    if "interrupts-extended" in node.properties:
        found = parse_references(tree, path, "interrupts-extended", "#interrupt-cells")
        return tuple(Wire(entry.target, entry.arguments) if entry.target else None for entry in found)
    values = cell_list(node, "interrupts")
    if not values:
        return ()
    parent = interrupt_parent(tree, path)
    step = number(tree[parent], "#interrupt-cells") or 0
    if not 1 <= step <= _MOST_CELLS or len(values) % step:
        raise TreeError(
            f"reading the interrupts of {path}", answer=f"{len(values)} cells are no entries of {step}"
        )
    return tuple(Wire(parent, tuple(values[at : at + step])) for at in range(0, len(values), step))


def root_gic(tree: Tree, path: str) -> int | None:
    """The version of the GIC at `path`; None when it is none, or one that hangs at another controller."""
    version = gic_version(tree[path])
    if version is None:
        return None
    try:
        above = interrupt_parent(tree, path)
    except TreeError:
        return version
    return version if above == path else None


def lines(tree: Tree, path: str) -> tuple[Line, ...]:
    """The node's interrupts where they end, in order.  Raises TreeError when they are malformed."""
    names = text_list(tree[path], "interrupt-names")
    found: list[Line] = []
    first: dict[Wire, int] = {}
    for index, stated in enumerate(interrupt_wires(tree, path)):
        if stated is None:
            continue
        wire = through_nexus(tree, path, stated)
        at_gic = root_gic(tree, wire.controller) is not None
        if at_gic and len(wire.specifier) not in _GIC_CELLS:
            raise TreeError(
                f"reading the interrupts of {path}", answer=f"a GIC does not take {len(wire.specifier)} cells"
            )
        flags = wire.specifier[2] if at_gic else _flags(tree, wire)
        found.append(
            Line(
                index=index,
                trigger=trigger_of(flags),
                controller=wire.controller,
                specifier=wire.specifier,
                spi=spi_of(wire.specifier) if at_gic else None,
                name=names[index] if index < len(names) else None,
                duplicate_of=first.get(wire),
            )
        )
        first.setdefault(wire, index)
    return tuple(found)


def _flags(tree: Tree, wire: Wire) -> int:
    """The flags at a controller that is no GIC: by convention the last cell, if it is not the only one."""
    names = text_list(tree[wire.controller], "compatible")
    if len(wire.specifier) < 2 or not _WITHOUT_FLAGS.isdisjoint(names):
        return 0
    return wire.specifier[-1]
