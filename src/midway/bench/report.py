# SPDX-License-Identifier: Apache-2.0
"""A benchmark's report: one page that needs nothing else, the charts as files, and results.json."""

import re
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from midway.bench.chart_style import GRID, Chart
from midway.bench.charts import charts_of
from midway.bench.extra import bench_extra
from midway.bench.limits import tidied
from midway.bench.questions import Comparison, compare_modes
from midway.bench.results import Results, save
from midway.bench.statistics import ALPHA, Difference, runs_needed
from midway.bench.tables import Table, cost_tables, difference_table, run_tables, scale_tables
from midway.bench.words import summary_of
from midway.output import make_directory, write_file
from midway.views.palette import CARD, FAINT, INK, MUTED

__all__ = ["CHARTS", "report_html", "write_report"]

CHARTS = "charts"  # the directory that they are written to, in the report's
_COUNTS = (
    "exits-per-interrupt",
    "exits-per-operation",
    "instructions-per-interrupt",
    "instructions-per-operation",
)
_GUESTS = ("vmm-cost", "scale")
_VARIABLES = {INK: "ink", MUTED: "muted", FAINT: "faint", CARD: "card", GRID: "grid"}


class _Figure(NamedTuple):
    """A chart in the page; `svg` is markup."""

    title: str
    svg: Any


class _Section(NamedTuple):
    """`differences` are in the order in which they are shown: those over all workloads, then the others."""

    figures: list[_Figure]
    tables: list[Table]
    differences: list[Table]


def write_report(results: Results, directory: Path) -> None:
    """Write report.html, results.json, and every chart as charts/bench-NAME.svg and .png, into `directory`,
    which is made if it is not there.

    Raises UsageError for results that no page can show, HostError when a library is missing, MidwayError when
    a file cannot be written.
    """
    tidy = tidied(results)
    charts = charts_of(tidy)
    page = report_html(tidy, charts)
    make_directory(directory / CHARTS)
    for left_over in (*(directory / CHARTS).glob("bench-*.svg"), *(directory / CHARTS).glob("bench-*.png")):
        left_over.unlink()  # of an earlier report, which may have had charts that this one has not
    for chart in charts:
        write_file(directory / CHARTS / f"bench-{chart.name}.svg", chart.svg)
        write_file(directory / CHARTS / f"bench-{chart.name}.png", chart.png())
    save(tidy, directory / "results.json")
    write_file(directory / "report.html", page)


def report_html(results: Results, charts: Sequence[Chart]) -> str:
    """`results` are tidied, and the charts theirs.  Whatever is from the results is escaped."""
    with bench_extra():
        from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_printable, trim_blocks=True, lstrip_blocks=True
    )
    template = resources.files("midway.bench").joinpath("report.html.j2").read_text(encoding="utf-8")
    comparison = compare_modes(results)
    counts, rates = _sections(results, comparison, charts)
    return environment.from_string(template).render(
        results=results,
        machine=results.machine,
        took=_duration(results.took_s),
        summary=summary_of(results, comparison),
        counts=counts,
        rates=rates,
        guests=[_inline(chart) for chart in charts if chart.name in _GUESTS],
        guest_tables=[*cost_tables(results, comparison.costs), *scale_tables(results)],
        alpha=ALPHA,
        comparisons=len(comparison.single),
        needed=runs_needed(len(comparison.single)),
    )


def _sections(results: Results, comparison: Comparison, charts: Sequence[Chart]) -> tuple[_Section, _Section]:
    """Counts, and rates: no table and no section has both."""

    def section(is_count: bool, figures: Iterable[Chart]) -> _Section:
        def of_kind(differences: Sequence[Difference], title: str) -> list[Table]:
            found = [each for each in differences if each.metric.is_count is is_count]
            return [difference_table(title, found)] if found else []

        return _Section(
            [_inline(chart) for chart in figures],
            run_tables(results, is_count=is_count),
            [
                *of_kind(comparison.overall, "Over all workloads together"),
                *of_kind(comparison.single, "Within one workload"),
            ],
        )

    apart = (*_COUNTS, *_GUESTS)
    return (
        section(True, (chart for chart in charts if chart.name in _COUNTS)),
        section(False, (chart for chart in charts if chart.name not in apart)),
    )


def _inline(chart: Chart) -> _Figure:
    """The chart as part of a page: in the page's colours, its names its own."""
    from markupsafe import Markup, escape

    svg = chart.svg[chart.svg.index("<svg") :]
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)  # HTML knows what an svg element is
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{chart.name}-", svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var(--{name})")
    label = f'<svg role="img" aria-label="{escape(chart.text)}" '
    # Safe: matplotlib escapes what it draws, and the rest is this program's.
    return _Figure(chart.title, Markup(label + svg.removeprefix("<svg ")))  # noqa: S704


def _printable(value: object) -> object:
    """Without control characters, which are in no HTML page; a percentage stays on one line."""
    if type(value) is not str:
        return value
    plain = "".join(character if character.isprintable() else "?" for character in value)
    return plain.replace(" %", "\N{NO-BREAK SPACE}%")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, min(seconds, 1e9))), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
