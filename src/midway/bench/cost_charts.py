# SPDX-License-Identifier: Apache-2.0
"""What the VMM costs beside others, and what becomes of the figures as guests are added."""

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from midway.bench.chart_style import (
    GRID,
    HEAD,
    WIDTH,
    Chart,
    Head,
    colour_of,
    make_figure,
    mark,
    quiet,
    rendered,
    short,
    shown,
    tick,
    worth_of,
)
from midway.bench.metrics import MODES, VMMS, Key, at_once, cost_series, in_order, metric_named
from midway.bench.panels import Bar, Panel, bar_chart
from midway.bench.results import Results, ScaleRun
from midway.bench.statistics import summary
from midway.views.palette import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["scale_chart", "vmm_chart"]

_COSTS = (
    ("exec_to_first_instruction_s", "first instruction", "s from exec"),
    ("exec_to_init_s", "guest's init", "s from exec"),
    ("memory_mib", "memory of each", "MiB beside the guest's RAM"),
)
_TALL, _BELOW, _ABOVE, _LEFT, _GAP, _RIGHT = 2.1, 0.82, 0.32, 0.6, 1.12, 0.72  # inches
_LINE = 0.155  # a label's height


def vmm_chart(results: Results) -> Chart | None:
    """To be called within `drawing()`, as the next is."""
    series = cost_series(results)
    together = sorted({cost.together for cost in results.vmm_costs})
    vmms = in_order((key.variant for key in series), VMMS)
    panels = []
    for name, title, axis in _COSTS:
        bars: list[Bar] = []
        for many in together:
            values = [(vmm, series.get(Key(at_once(many), vmm, name))) for vmm in vmms]
            group = [
                Bar(vmm, summary(found), label=f"{short(vmm, 9)} x{many}") for vmm, found in values if found
            ]
            if bars and group:
                group[0] = group[0]._replace(is_apart=True)
            bars += group
        if bars:
            worth = worth_of(metric_named(name).is_count, results)
            panels.append(Panel(title, axis, tuple(bars), worth))
    words = "Less is better.  xN: with N at once.  The line is from the least to the most."
    return bar_chart("vmm-cost", Head("What the VMM itself costs", words), panels, 3) if panels else None


class _Line(NamedTuple):
    """Values by how many devices took part."""

    mode: str
    is_one_guest: bool
    points: list[tuple[int, float]]

    @property
    def name(self) -> str:
        return short(self.mode, 11)


def scale_chart(results: Results) -> Chart | None:
    measures: tuple[tuple[str, bool, Callable[[ScaleRun], float | None]], ...] = (
        ("interrupts/s of all", False, lambda run: run.interrupts_per_s),
        ("exits per interrupt", True, lambda run: run.counts.exits_per_interrupt),
        ("memory, MiB a guest", True, lambda run: run.memory / (1 << 20)),
    )
    if not results.scale:
        return None
    words = "Filled: a guest for each device.  Hollow: one guest has all devices."
    head = Head("As guests are added", words)
    height = HEAD + _ABOVE + _TALL + _BELOW
    figure = make_figure(head, height, None)
    width = (WIDTH - _LEFT - _RIGHT - 2 * _GAP) / 3
    said = []
    for at, (title, is_count, measure) in enumerate(measures):
        lines = _lines(results.scale, measure)
        left = _LEFT + at * (width + _GAP)
        axes = figure.add_axes((left / WIDTH, _BELOW / height, width / WIDTH, _TALL / height))
        axes.set_title(title, loc="left", size=9.5, weight="bold", pad=8)
        _draw(axes, lines)
        mark(axes, worth_of(is_count, results))
        said.append(_in_words(title, lines))
    return rendered(figure, "scale", head, " ".join(said))


def _lines(runs: Sequence[ScaleRun], measure: Callable[[ScaleRun], float | None]) -> list[_Line]:
    """One guest with one device is where both of a mode's lines begin."""
    found: dict[tuple[str, bool], dict[int, list[float]]] = {}
    for run in runs:
        value = measure(run)
        if value is None:
            continue
        for is_one_guest in (False, True):
            if run.guests == 1 if is_one_guest else run.guests > 1 or run.devices == 1:
                values = found.setdefault((run.mode, is_one_guest), {})
                values.setdefault(run.guests * run.devices, []).append(value)
    modes = in_order((mode for mode, _ in found), MODES)
    return [
        _Line(mode, is_one_guest, [(at, statistics.median(places[at])) for at in sorted(places)])
        for mode in modes
        for is_one_guest in (False, True)
        if (places := found.get((mode, is_one_guest))) and not (is_one_guest and set(places) == {1})
    ]


def _draw(axes: "Axes", lines: Sequence[_Line]) -> None:
    most = max((value for line in lines for _, value in line.points), default=0.0) or 1.0
    devices = sorted({at for line in lines for at, _ in line.points})
    axes.set_ylim(0, 1.12 * most)
    for place, line in enumerate(lines):
        colour = colour_of(line.mode)
        axes.plot(
            *zip(*line.points, strict=True),
            color=colour,
            marker="D" if line.is_one_guest else "o",
            markersize=5,
            markerfacecolor=GRID if line.is_one_guest else colour,
            linestyle=(0, (3, 2)) if line.is_one_guest else "-",
            linewidth=max(1.4, 3.4 - place),  # where lines coincide, the later leaves the earlier to be seen
        )
    _name(axes, lines, 1.12 * most)
    axes.set_xticks(devices)
    axes.margins(x=0.08)
    axes.set_xlabel("devices in all", loc="left")
    axes.yaxis.set_major_formatter(tick)
    axes.tick_params(axis="y", labelcolor=MUTED)
    quiet(axes, "y")


def _name(axes: "Axes", lines: Sequence[_Line], top: float) -> None:
    """Each mode's name at its line's end; names that would meet are moved apart, upwards."""
    ends: dict[str, tuple[int, float, str]] = {}
    for line in lines:
        at, value = max(line.points)
        if line.mode not in ends or at > ends[line.mode][0]:
            ends[line.mode] = (at, value, line.name)
    right = max((at for at, _, _ in ends.values()), default=0)
    least = 0.0
    for mode, (_, value, name) in sorted(ends.items(), key=lambda end: end[1][1]):
        place = max(value, least)
        least = place + top * _LINE / _TALL
        axes.annotate(
            name,
            (right, place),
            (9, 0),
            "data",
            "offset points",
            color=colour_of(mode),
            weight="bold",
            va="center",
            size=8.5,
            annotation_clip=False,
        )


def _in_words(title: str, lines: Sequence[_Line]) -> str:
    said = (
        f"{line.name}{' in one guest' if line.is_one_guest else ''} "
        + ", ".join(f"{shown(value)} with {at}" for at, value in line.points)
        for line in lines
    )
    return f"{title} by devices: {'; '.join(said)}."
