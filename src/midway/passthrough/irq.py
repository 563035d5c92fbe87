# SPDX-License-Identifier: Apache-2.0
"""The IRQ route: a guest SPI and a mode for each of a device's lines."""

from collections.abc import Iterator, Sequence

from midway.board.interrupt_map import InterruptMap
from midway.config import InterruptMode
from midway.devicetree.index import Tree
from midway.findings import Finding, Severity
from midway.host.device import HostDevice, Line
from midway.passthrough.routes import LineRoute

__all__ = ["guest_spis", "line_findings", "plan_lines"]


def plan_lines(
    device: HostDevice, mode: InterruptMode | None, interrupts: InterruptMap
) -> tuple[LineRoute, ...]:
    """A guest SPI for every line that is the first of its kind and reaches the GIC.

    Raises PlanError when the guest's SPIs are exhausted.
    """
    return tuple(
        LineRoute(
            line, interrupts.allocate(f"line {line.index} of {device.name}"), mode or InterruptMode.IRQFD
        )
        for line in device.lines
        if line.spi is not None and line.duplicate_of is None
    )


def guest_spis(device: HostDevice, routes: Sequence[LineRoute]) -> tuple[int, ...] | None:
    """The guest's SPI for each of the device's lines, duplicates included; None when one has no route."""
    by_index = {route.line.index: route.spi for route in routes}
    spis = [
        by_index.get(line.index if line.duplicate_of is None else line.duplicate_of) for line in device.lines
    ]
    return None if None in spis else tuple(spi for spi in spis if spi is not None)


def line_findings(device: HostDevice, neighbours: Sequence[HostDevice], tree: Tree) -> Iterator[Finding]:
    """What is to be said of the lines; `neighbours` are the host's devices."""
    for line in device.lines:
        title = f"line {line.index}" + (f" ({line.name})" if line.name else "")
        if line.duplicate_of is not None:
            yield Finding(
                "line-duplicate",
                Severity.NOTE,
                device.name,
                f"{title} is the same interrupt as line {line.duplicate_of}: they are one in the guest too",
            )
        elif line.spi is None:
            yield _unroutable(device, line, title, tree)
        else:
            sharers = [
                other.name
                for other in neighbours
                if other.node_path != device.node_path
                and any(theirs.spi == line.spi for theirs in other.lines)
            ]
            if sharers:
                yield Finding(
                    "line-shared",
                    Severity.WARNING,
                    device.name,
                    f"{title} is SPI {line.spi}, which {', '.join(sharers)} has too",
                    "VFIO takes the interrupt only while no other driver has it: unbind theirs",
                )


def _unroutable(device: HostDevice, line: Line, title: str, tree: Tree) -> Finding:
    controller = tree[line.controller]
    if (
        "interrupt-controller" in controller.properties
        and line.specifier[:1] in ((1,), (3,))
        and len(line.specifier) in (3, 4)
    ):
        cause = f"{title} is a private interrupt of each CPU (PPI {line.specifier[1]})"
        remedy = "none: it cannot be given to one guest"
    else:
        cause = f"{title} goes to {line.controller}, not to the GIC"
        remedy = "none yet: only lines that are SPIs of the GIC can be passed"
    return Finding("line-not-at-gic", Severity.REFUSAL, device.name, cause, remedy)
