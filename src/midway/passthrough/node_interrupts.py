# SPDX-License-Identifier: Apache-2.0
"""The description route's interrupts: a device's lines, and those of its children."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from midway.devicetree.gic import interrupt_cells
from midway.devicetree.interrupts import interrupt_wires
from midway.devicetree.nexus import Wire, through_nexus
from midway.devicetree.node import cells
from midway.devicetree.values import number
from midway.errors import TreeError
from midway.findings import Severity
from midway.passthrough.phandles import GIC

if TYPE_CHECKING:
    from midway.passthrough.copying import Copying

__all__ = ["interrupt_changes", "kept_interrupt_parent", "line_changes"]

_NONE = cells(0)  # an entry of `interrupts-extended` that is none, and keeps the place of one


def line_changes(work: "Copying") -> dict[str, bytes | None]:
    """The device's own lines: at the guest's GIC, or at a controller that goes to the guest as well."""
    changes: dict[str, bytes | None] = {"interrupts-extended": None, "interrupts": None}
    lines = tuple(zip(work.device.lines, work.spis, strict=True))
    within = [line.controller in work.providers.present for line, _ in lines]
    if not lines or not all(spi is not None or kept for (_, spi), kept in zip(lines, within, strict=True)):
        return changes
    count = lines[-1][0].index + 1
    routed = [(spi, line.trigger) for line, spi in lines if spi is not None]
    if len(routed) == count and kept_interrupt_parent(work, work.device.node_path) is None:
        changes["interrupts"] = b"".join(interrupt_cells(spi, trigger) for spi, trigger in routed)
        return changes
    entries = {
        line.index: _at(work, GIC, interrupt_cells(spi, line.trigger))
        if spi is not None
        else _at(work, line.controller, cells(*line.specifier))
        for line, spi in lines
    }
    changes["interrupts-extended"] = b"".join(entries.get(index, _NONE) for index in range(count))
    return changes


def _at(work: "Copying", controller: str, specifier: bytes) -> bytes:
    """An entry of `interrupts-extended`."""
    return cells(work.phandles.of(controller)) + specifier


def kept_interrupt_parent(work: "Copying", path: str) -> bytes | None:
    """The node's `interrupt-parent` when it goes to the guest as well; else None, for the guest's GIC."""
    target = work.tree.path_of(number(work.tree[path], "interrupt-parent") or 0)
    return cells(work.phandles.of(target)) if target and target in work.providers.present else None


def interrupt_changes(work: "Copying", path: str) -> dict[str, bytes | None]:
    """New values for a child's interrupt properties; None drops one."""
    try:
        wires = interrupt_wires(work.tree, path)
        stated = [wire for wire in wires if wire is not None]
        if stated and all(wire.controller in work.providers.present for wire in stated):
            return _within(work, path, wires)
        spis = [_spi(work, through_nexus(work.tree, path, wire)) for wire in stated]
        parent = kept_interrupt_parent(work, path)
    except TreeError as error:
        work.find(
            "malformed-interrupts", Severity.WARNING, str(error), "correct it in the host's device tree"
        )
        return {"interrupts": None, "interrupts-extended": None, "interrupt-parent": None}
    changes: dict[str, bytes | None] = {
        "interrupts": None,
        "interrupts-extended": None,
        "interrupt-parent": parent,
    }
    if not stated:
        return changes
    known = [spi for spi in spis if spi is not None]
    if len(known) != len(spis):
        child = path.removeprefix(work.device.node_path).removeprefix("/")
        others = sorted({wire.controller for wire in stated})
        work.find(
            "child-line",
            Severity.WARNING,
            f"the interrupt of its child {child} goes to {', '.join(others)} and is left out",
        )
        changes["interrupt-names"] = None
    elif len(stated) == len(wires):
        changes["interrupts"] = b"".join(known)
        changes["interrupt-parent"] = cells(work.phandles.of(GIC))
    else:
        left = iter(known)
        changes["interrupts-extended"] = b"".join(
            _NONE if wire is None else _at(work, GIC, next(left)) for wire in wires
        )
    return changes


def _within(work: "Copying", path: str, wires: Sequence[Wire | None]) -> dict[str, bytes | None]:
    """The controllers go to the guest too: specifiers stay, phandles change."""
    changes = {"interrupt-parent": kept_interrupt_parent(work, path)}
    if "interrupts-extended" in work.tree[path].properties:
        changes["interrupts"] = None
        changes["interrupts-extended"] = b"".join(
            _NONE if wire is None else _at(work, wire.controller, cells(*wire.specifier)) for wire in wires
        )
    return changes


def _spi(work: "Copying", wire: Wire) -> bytes | None:
    """The specifier in the guest of the device's line with this wire; None when it is none of its lines."""
    for at, line in enumerate(work.device.lines):
        spi = work.spis[at]
        if (line.controller, line.specifier) == (wire.controller, wire.specifier) and spi is not None:
            return interrupt_cells(spi, line.trigger)
    return None
