# SPDX-License-Identifier: Apache-2.0
"""A report's tables, as text: none has counts and rates in it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from midway.bench.chart_style import shown
from midway.bench.metrics import (
    MODES,
    VMMS,
    Key,
    cost_series,
    headline,
    in_order,
    metric_named,
    run_series,
)
from midway.bench.results import Results
from midway.bench.statistics import Difference, Verdict, relative, summary
from midway.bench.words import phrase, share

__all__ = ["Cell", "Row", "Table", "cost_tables", "difference_table", "run_tables", "scale_tables"]


class Cell(NamedTuple):
    """`small` are lines below the text; `look` is a class of the style sheet."""

    text: str
    small: tuple[str, ...] = ()
    look: str = ""


class Row(NamedTuple):
    name: str
    cells: list[Cell]


class Table(NamedTuple):
    title: str
    columns: list[str]
    rows: list[Row]


_NONE = Cell("–", look="none")  # noqa: RUF001 - a dash for nothing


def run_tables(results: Results, *, is_count: bool) -> list[Table]:
    """One for each workload: a row for a metric, a column for a mode."""
    series = run_series(results)
    tables = []
    for workload in dict.fromkeys(run.workload for run in results.runs):
        modes = in_order((key.variant for key in series if key.group == workload), MODES)
        names = dict.fromkeys(
            key.metric
            for key in series
            if key.group == workload and metric_named(key.metric).is_count is is_count
        )
        rows = [_row(series, workload, name, modes) for name in names]
        rate = headline(results, workload)
        if rate is not None and not is_count:
            rows += _native_row(series, workload, rate, modes)
        if rows:
            tables.append(Table(workload, modes, rows))
    return tables


def _row(series: Mapping[Key, Sequence[float]], group: str, name: str, variants: Sequence[str]) -> Row:
    metric = metric_named(name)
    unit = f", {metric.unit}" if metric.unit and not metric.unit.startswith("per ") else ""
    cells = [_cell(series.get(Key(group, variant, name), ())) for variant in variants]
    return Row(f"{metric.label} {metric.unit}" if not unit else f"{metric.label}{unit}", cells)


def _native_row(
    series: Mapping[Key, Sequence[float]], workload: str, rate: str, modes: Sequence[str]
) -> list[Row]:
    base = series.get(Key(workload, "native", rate), ())
    shares = [relative(series.get(Key(workload, mode, rate), ()), base) for mode in modes]
    if not any(shares):
        return []
    return [Row(f"{metric_named(rate).label}, % of native", [_cell(values) for values in shares])]


def _cell(values: Sequence[float]) -> Cell:
    if not values:
        return _NONE
    found = summary(values)
    if found.low == found.high:
        return Cell(shown(found.median), (f"n {found.n}",))
    quartiles = f"{shown(found.q1)}…{shown(found.q3)}"
    return Cell(shown(found.median), (quartiles, f"({shown(found.low)}…{shown(found.high)})", f"n {found.n}"))


def difference_table(title: str, differences: Sequence[Difference]) -> Table:
    columns = ["compared", "ratio", "95 % interval", "p, corrected", "difference"]
    if all(difference.group is None for difference in differences):
        columns[2] = "least…most of a workload"
    return Table(title, columns, [_difference_row(difference) for difference in differences])


def _difference_row(found: Difference) -> Row:
    place = "" if found.group is None else f"{found.group}: "
    interval = "" if found.interval is None else "…".join(map(share, found.interval))
    p = f"{found.adjusted:.2g}" if found.adjusted >= 0.0001 else "< 0.0001"
    return Row(
        f"{place}{phrase(found.metric)}",
        [
            Cell(f"{found.candidate} / {found.reference}"),
            _NONE if found.ratio is None else Cell(share(found.ratio)),
            Cell(interval) if interval else _NONE,
            _NONE if found.verdict is Verdict.CANNOT_TELL else Cell(p),
            Cell(found.words, look=_look(found)),
        ],
    )


def _look(found: Difference) -> str:
    if found.verdict is Verdict.REAL:
        return "worse" if found.is_better is False else "real"
    return "unknown" if found.verdict is Verdict.CANNOT_TELL else ""


def cost_tables(results: Results, differences: Sequence[Difference]) -> list[Table]:
    """What is measured in bytes and threads, what is in seconds, and which differences are real in each."""
    series = cost_series(results)
    vmms = in_order((key.variant for key in series), VMMS)
    tables = []
    for is_count, title in (
        (True, "Memory, disk and threads of a VMM"),
        (False, f"Start of a VMM{_only(results)}"),
    ):
        rows = [
            _grouped(_row(series, group, name, vmms), group)
            for group, name in dict.fromkeys((key.group, key.metric) for key in series)
            if metric_named(name).is_count is is_count
        ]
        found = [each for each in differences if each.metric.is_count is is_count]
        if rows:
            tables.append(Table(title, vmms, rows))
        if found:
            tables.append(difference_table(f"{title}: midway beside the others", found))
    return tables


def _only(results: Results) -> str:
    return " (shapes only)" if results.machine.emulated else ""


def _grouped(row: Row, group: str) -> Row:
    return Row(f"{group}: {row.name}", row.cells)


def scale_tables(results: Results) -> list[Table]:
    """Counts, and rates, by how many guests had how many devices each."""
    counts, rates = [], []
    for run in results.scale:
        name = f"{run.mode}: {run.guests} guest{'s' * (run.guests != 1)}, devices each: {run.devices}"
        irqs = run.counts.interrupts
        exits = Cell(shown(run.counts.exits / irqs)) if run.counts.exits is not None and irqs else _NONE
        memory = Cell(shown(run.memory / (1 << 20)))
        counts.append(Row(name, [exits, memory, Cell(shown(irqs))]))
        rates.append(Row(name, [Cell(shown(run.interrupts_per_s)), Cell(shown(run.seconds))]))
    if not counts:
        return []
    return [
        Table("As guests are added: counts", ["exits per interrupt", "MiB a guest", "interrupts"], counts),
        Table(f"As guests are added: rates{_only(results)}", ["interrupts/s of all", "seconds"], rates),
    ]
