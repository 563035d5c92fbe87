# SPDX-License-Identifier: Apache-2.0
"""Arm's Generic Interrupt Controller in a tree: which nodes are one, and what its specifiers say.

The format is that of the bindings arm,gic and arm,gic-v3: type, number, flags (a fourth cell: a partition).
"""

from enum import StrEnum

from midway.devicetree.node import Node, cells
from midway.devicetree.values import text_list

__all__ = [
    "GICV2_NAMES",
    "GICV3_NAMES",
    "SPI_BASE",
    "Trigger",
    "flags_of",
    "gic_version",
    "interrupt_cells",
    "spi_of",
    "trigger_of",
]


class Trigger(StrEnum):
    """What of a line is an interrupt."""

    LEVEL_HIGH = "level-high"
    LEVEL_LOW = "level-low"
    EDGE_RISING = "edge-rising"
    EDGE_FALLING = "edge-falling"
    EDGE_BOTH = "edge-both"

    @property
    def is_level(self) -> bool:
        return self in (Trigger.LEVEL_HIGH, Trigger.LEVEL_LOW)


GICV3_NAMES = frozenset({"arm,gic-v3"})
GICV2_NAMES = frozenset(
    {
        "arm,arm11mp-gic",
        "arm,cortex-a15-gic",
        "arm,cortex-a7-gic",
        "arm,cortex-a9-gic",
        "arm,eb11mp-gic",
        "arm,gic-400",
        "arm,pl390",
        "brcm,brahma-b15-gic",
        "qcom,msm-8660-qgic",
        "qcom,msm-qgic2",
    }
)
SPI_BASE = 32  # INTID of SPI 0

_SPI, _PPI, _EXTENDED_SPI, _EXTENDED_PPI = range(4)
_EXTENDED_SPI_BASE = 4096 - SPI_BASE
_TRIGGERS = {
    1: Trigger.EDGE_RISING,
    2: Trigger.EDGE_FALLING,
    3: Trigger.EDGE_BOTH,
    4: Trigger.LEVEL_HIGH,
    8: Trigger.LEVEL_LOW,
}


def gic_version(node: Node) -> int | None:
    """2 or 3 when the node is a GIC, else None.  GICv1 counts as 2: its specifiers are the same."""
    names = set(text_list(node, "compatible"))
    if names & GICV3_NAMES:
        return 3
    return 2 if names & GICV2_NAMES else None


def trigger_of(flags: int) -> Trigger:
    """The trigger in an interrupt's flags (dt-bindings/interrupt-controller/irq.h).

    Without any the GIC keeps its reset value, which is level-sensitive.
    """
    return _TRIGGERS.get(flags & 0xF, Trigger.LEVEL_HIGH)


def flags_of(trigger: Trigger) -> int:
    """The flags of a trigger; the reverse of `trigger_of`."""
    return next(flags for flags, known in _TRIGGERS.items() if known is trigger)


def interrupt_cells(spi: int, trigger: Trigger) -> bytes:
    """A specifier of three cells in the guest, whose line is never active low, whatever the host's is."""
    shown = Trigger.LEVEL_HIGH if trigger.is_level else Trigger.EDGE_RISING
    return cells(_SPI, spi, flags_of(shown))


def spi_of(specifier: tuple[int, ...]) -> int | None:
    """The SPI's number (INTID - 32) in a GIC's specifier; None when it is a private interrupt."""
    kind, line = specifier[:2]
    if kind == _SPI:
        return line
    return _EXTENDED_SPI_BASE + line if kind == _EXTENDED_SPI else None
