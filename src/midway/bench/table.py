# SPDX-License-Identifier: Apache-2.0
"""The runs of a benchmark as a table for a terminal: medians by workload and mode."""

from collections.abc import Iterable, Sequence
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.table import Table

from midway.bench.results import Run

__all__ = ["runs_table"]

_RATES = {
    "transactions_per_s": "trans/s",
    "packets_per_s": "packets/s",
    "megabits_per_s": "Mbit/s",
    "reads_per_s": "reads/s",
    "copies_per_s": "copies/s",
}


def runs_table(runs: Sequence[Run], *, emulated: bool) -> Table:
    """The medians of each workload's runs in each mode: interrupts of the host and the guest, exits, and of
    these the trips to user space.
    """
    caption = "the rates are those of an emulated board, and nobody's hardware" if emulated else None
    table = Table(title="medians", caption=caption, box=SIMPLE_HEAD, pad_edge=False)
    for name in ("workload", "mode"):
        table.add_column(name, overflow="fold")
    for name in ("rate", "irqs", "guest", "exits/irq", "to user"):
        table.add_column(name, justify="right", overflow="fold")
    for workload, mode in dict.fromkeys((run.workload, run.mode) for run in runs):
        same = [run for run in runs if (run.workload, run.mode) == (workload, mode)]
        rate = next((name for name in _RATES if name in same[0].rates), None)
        table.add_row(
            workload,
            mode,
            f"{_number(run.rates.get(rate) for run in same)} {_RATES[rate]}" if rate else "-",
            _number(run.counts.host_interrupts for run in same),
            _number(run.counts.guest_interrupts for run in same),
            _number(run.counts.exits_per_interrupt for run in same),
            _number(run.counts.user_exits for run in same),
        )
    return table


def _number(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    middle = median(known)
    return f"{middle:.0f}" if middle == int(middle) or middle >= 100 else f"{middle:.2f}"
