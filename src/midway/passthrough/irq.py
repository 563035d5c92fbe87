# SPDX-License-Identifier: Apache-2.0
"""The IRQ route: a guest SPI and a mode for each of a device's lines."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from midway.board.interrupt_map import InterruptMap
from midway.config import InterruptMode
from midway.devicetree.addresses import registers, size_cells, translate
from midway.devicetree.index import Tree, parent_path
from midway.devicetree.interrupts import root_gic
from midway.errors import TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice, Line
from midway.passthrough.routes import LineRoute

__all__ = ["line_findings", "line_spis", "mode_findings", "plan_lines"]


def plan_lines(
    device: HostDevice,
    modes: Mapping[int, InterruptMode],
    interrupts: InterruptMap,
    tree: Tree,
    present: Collection[str] = (),
) -> tuple[LineRoute, ...]:
    """A guest SPI for every line that is the first of its kind and can be passed.

    `modes` are those that are asked for, by index of the line (asked_modes).  A line at a controller among
    `present`, the host's nodes that the guest gets, is that controller's there.
    Raises PlanError when the guest's SPIs are exhausted.
    """
    return tuple(
        LineRoute(
            line,
            interrupts.allocate(f"line {line.index} of {device.name}"),
            _mode(line, modes.get(line.index)),
            asked=line.index in modes,
        )
        for place, line in enumerate(device.lines)
        if line.duplicate_of is None
        and line.controller not in present
        and _obstacle(line, place, tree) is None
    )


def _mode(line: Line, asked: InterruptMode | None) -> InterruptMode:
    """What was asked for, else the best; an edge line has no completion that forwarding could save."""
    if asked is None:
        can = line.trigger.is_level and line.spi is not None
        return InterruptMode.FORWARD if can else InterruptMode.IRQFD
    if asked is InterruptMode.FORWARD and not line.trigger.is_level:
        return InterruptMode.IRQFD
    return asked


def mode_findings(
    device: HostDevice, routes: Sequence[LineRoute], modes: Mapping[int, InterruptMode]
) -> Iterator[Finding]:
    """Where a line is not in the mode that was asked for."""
    for route in routes:
        asked = modes.get(route.line.index)
        if asked is not None and route.mode is not asked:
            yield Finding(
                "line-edge",
                Severity.NOTE,
                device.name,
                f"line {route.line.index} is edge-triggered: there is nothing to complete and nothing to "
                f"gain from {asked}, its mode is {route.mode}",
            )


def line_spis(device: HostDevice, routes: Sequence[LineRoute]) -> tuple[int | None, ...]:
    """The guest's SPI for each of the device's lines, duplicates included; None for one without a route."""
    by_index = {route.line.index: route.spi for route in routes}
    return tuple(
        by_index.get(line.index if line.duplicate_of is None else line.duplicate_of) for line in device.lines
    )


def line_findings(
    device: HostDevice, neighbours: Sequence[HostDevice], tree: Tree, present: Collection[str] = ()
) -> Iterator[Finding]:
    """What is to be said of the lines; `neighbours` are the host's devices, `present` as in `plan_lines`."""
    for place, line in enumerate(device.lines):
        if line.controller in present:
            continue
        title = f"line {line.index}" + (f" ({line.name})" if line.name else "")
        if line.duplicate_of is not None:
            yield Finding(
                "line-duplicate",
                Severity.NOTE,
                device.name,
                f"{title} is the same interrupt as line {line.duplicate_of}: they are one in the guest too",
            )
            continue
        obstacle = _obstacle(line, place, tree)
        if obstacle is not None:
            yield Finding(
                "line-unroutable",
                Severity.REFUSAL,
                device.name,
                f"{title} {obstacle}",
                "none: it cannot be given to one guest",
            )
            continue
        if line.spi is None:
            yield Finding(
                "line-behind-controller",
                Severity.WARNING,
                device.name,
                f"{title} reaches the GIC through {line.controller}, so it can never be forwarded",
                "none: the hardware is wired so; modes irqfd and userspace work",
            )
        sharers = _sharers(device, line, neighbours)
        if sharers:
            yield Finding(
                "line-shared",
                Severity.WARNING,
                device.name,
                f"{title} is also that of {', '.join(sharers)}",
                "VFIO takes the interrupt only while no other driver has it: unbind theirs",
            )


def _sharers(device: HostDevice, line: Line, neighbours: Sequence[HostDevice]) -> tuple[str, ...]:
    return tuple(
        other.name
        for other in neighbours
        if other.node_path != device.node_path
        and any(
            (theirs.controller, theirs.specifier) == (line.controller, line.specifier)
            for theirs in other.lines
        )
    )


def _obstacle(line: Line, place: int, tree: Tree) -> str | None:
    """Why the host's kernel cannot hand the line, the one at `place`, to VFIO; None when it can."""
    if line.index != place:
        return "comes after an empty entry, at which VFIO stops counting"
    if line.spi is not None:
        return None
    if root_gic(tree, line.controller) is not None:
        return f"is a private interrupt of each CPU (PPI {line.specifier[1]})"
    if not _is_memory_mapped(tree, line.controller):
        return f"goes to {line.controller}, a controller that the CPU does not reach directly"
    return None


def _is_memory_mapped(tree: Tree, path: str) -> bool:
    """Whether the CPU reaches the controller's registers, or those of what it is a part of.

    If it is on a bus without sizes (I2C, SPI), its interrupts are handled in threads, and VFIO's is not.
    """
    for at in (path, *tree.upwards(path)):
        try:
            own = registers(tree, at)
            if own and translate(tree, at, own[0][0]) is not None:
                return True
            if own:  # without a place for the CPU and yet no bus address: firmware sets it up
                return size_cells(tree, parent_path(at)) > 0
        except TreeError:
            return False
    return False
