# SPDX-License-Identifier: Apache-2.0
"""What an interrupt costs in each mode: as a table, and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from midway.measure.irq_cost import AGREEMENT, SAVING, ModeCost, agreement, saved_exits

__all__ = ["as_json", "show"]


def as_json(board: str, costs: Sequence[ModeCost]) -> dict[str, Any]:
    """Numbers per interrupt of the host, but for the counts `host`, `guest` and `device`."""
    return {
        "board": board,
        "modes": {
            cost.mode: {
                "host": cost.host,
                "guest": cost.guest,
                "device": cost.device,
                "exits_per_irq": cost.exits,
                "user_exits_per_irq": cost.user_exits,
                "delivery_exits_per_irq": cost.delivery,
                "completion_exits_per_irq": cost.completion,
                "other_exits_per_irq": cost.other,
                "instructions_per_irq": cost.instructions,
            }
            for cost in costs
        },
        "saved_exits_per_irq": saved_exits(costs),
        "agreement": [{**found._asdict(), "holds": found.holds} for found in agreement(costs)],
    }


def show(costs: Sequence[ModeCost], console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("per interrupt", style="bold")
    for cost in costs:
        table.add_column(cost.mode, justify="right")
    reasons = sorted({reason for cost in costs for reason in cost.other})
    for name, *cells in zip(_names(reasons), *(_cells(cost, reasons) for cost in costs), strict=True):
        table.add_row(name, *cells)
    console.print(table)
    for found in agreement(costs):
        word = "agree" if found.holds else f"do NOT agree within {AGREEMENT:.0%}"
        console.print(
            f"{found.mode} has {found.by_statistics:.3f} exits more than {found.than} by KVM's statistics, "
            f"{found.by_trace:.3f} by the trace: they {word}",
            highlight=False,
            soft_wrap=True,
        )
    saved = saved_exits(costs)
    if saved is not None:
        word = "as promised" if saved >= SAVING else f"NOT the {SAVING} that are promised"
        console.print(f"forward saves {saved:.3f} exits of irqfd's, {word}", highlight=False)


def _names(reasons: Sequence[str]) -> list[str]:
    counts = ["host interrupts (all)", "guest interrupts (all)", "device's own count (all)"]
    exits = ["exits", "  delivery", "  completion", *(f"  other: {reason}" for reason in reasons)]
    return [*counts, *exits, "trips to user space", "instructions"]


def _cells(cost: ModeCost, reasons: Sequence[str]) -> list[str]:
    exits = (cost.exits, cost.delivery, cost.completion, *(cost.other.get(reason, 0.0) for reason in reasons))
    instructions = "-" if cost.instructions is None else f"{cost.instructions:,.0f}"
    return [
        *(str(count) for count in (cost.host, cost.guest, cost.device)),
        *("-" if value is None else f"{value:.3f}" for value in (*exits, cost.user_exits)),
        instructions,
    ]
