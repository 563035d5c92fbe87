# SPDX-License-Identifier: Apache-2.0
"""Bars in panels: one for each mode, with its value and its spread."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from midway.bench.chart_style import (
    HEAD,
    WIDTH,
    Chart,
    Head,
    Worth,
    colour_of,
    make_figure,
    mark,
    quiet,
    rendered,
    short,
    shown,
    tick,
)
from midway.bench.statistics import Summary
from midway.views.palette import CARD, FAINT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bar", "Panel", "bar_chart"]

# Inches: a bar with its gap; above the bars of a panel; below them; beside them; a mark below that.
_BAR, _TITLE, _AXIS, _NAMES, _GAP, _EDGE, _MARK = 0.26, 0.33, 0.56, 0.92, 0.3, 0.2, 0.2
_LEGEND = 0.3
_APART = 0.5  # of _BAR
_THICK = 0.72  # of _BAR
_TINTS = (1.0, 0.68, 0.42, 0.22, 0.1)


class Bar(NamedTuple):
    """`label` is the variant's name if empty.  `parts` are what it is made of, by name, in the order of the
    chart's legend; empty for a plain bar.  `is_apart`: there is a gap above it.
    """

    variant: str
    value: Summary
    parts: tuple[tuple[str, float], ...] = ()
    label: str = ""
    is_apart: bool = False

    @property
    def name(self) -> str:
        return self.label or short(self.variant, 13)


class Panel(NamedTuple):
    """Bars on an axis.  `is_share`: they are in percent of native, and a line marks 100."""

    title: str
    axis: str
    bars: tuple[Bar, ...]
    worth: Worth
    is_share: bool = False

    @property
    def places(self) -> list[float]:
        """From the top, in units of a bar."""
        gaps = accumulate(bar.is_apart for bar in self.bars)
        return [at + _APART * gap for at, gap in enumerate(gaps)]


def bar_chart(name: str, head: Head, panels: Sequence[Panel], columns: int, *, share: bool = False) -> Chart:
    """`share`: all panels have one scale.  To be called within `drawing()`."""
    columns = min(columns, len(panels))
    names = [[bar.name for bar in panel.bars] for panel in panels]
    worths = {panel.worth for panel in panels}
    is_named_once = all(each == names[0] for each in names)
    parts = list(dict.fromkeys(part for panel in panels for bar in panel.bars for part, _ in bar.parts))
    rows = [panels[at : at + columns] for at in range(0, len(panels), columns)]
    heights = [_TITLE + _BAR * max(_tall(panel) for panel in row) + _AXIS for row in rows]
    if len(worths) > 1:
        heights = [each + _MARK for each in heights]
    legend = _LEGEND if parts else 0.0
    height = HEAD + legend + sum(heights)
    figure = make_figure(head, height, panels[0].worth if len(worths) == 1 else None)
    if parts:
        _draw_legend(figure, parts, height - HEAD - legend / 2 + 0.04, height)
    most = max(_reach(panel) for panel in panels)
    top = height - HEAD - legend
    for row, space in zip(rows, heights, strict=True):
        for column, panel in enumerate(row):
            is_named = column == 0 or not is_named_once
            left, width = _place(column, columns, is_named_once)
            tall = _BAR * _tall(panel)
            bottom = top - _TITLE - tall
            axes = figure.add_axes((left / WIDTH, bottom / height, width / WIDTH, tall / height))
            _draw(axes, panel, most if share else _reach(panel), width, is_named=is_named)
            if len(worths) > 1:
                mark(axes, panel.worth)
        top -= space
    return rendered(figure, name, head, _in_words(panels))


def _place(column: int, columns: int, is_named_once: bool) -> tuple[float, float]:
    """Left and width of a panel in inches."""
    if is_named_once:
        width = (WIDTH - _NAMES - _EDGE - _GAP * (columns - 1)) / columns
        return _NAMES + column * (width + _GAP), width
    slot = (WIDTH - _EDGE) / columns
    return column * slot + _NAMES, slot - _NAMES - (_GAP / 2 if column < columns - 1 else 0)


def _tall(panel: Panel) -> float:
    return panel.places[-1] + 1


def _reach(panel: Panel) -> float:
    return max((*(bar.value.high for bar in panel.bars), 100.0 if panel.is_share else 0.0)) or 1.0


def _draw(axes: "Axes", panel: Panel, most: float, width: float, *, is_named: bool) -> None:
    """`width` in inches, of which the values beside the bars need some."""
    axes.set_title(panel.title, loc="left", size=9.5, weight="bold", color=INK, pad=5)
    room = most / (1 - min(0.6, 0.56 / width)) if most > 0 else 1.0
    axes.set_xlim(0, room)
    axes.set_ylim(_tall(panel) - 0.5, -0.5)
    for at, bar in zip(panel.places, panel.bars, strict=True):
        _draw_bar(axes, at, bar, panel)
    if panel.is_share:
        axes.axvline(100, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=1.5)
    axes.set_yticks(panel.places, [bar.name for bar in panel.bars])
    axes.tick_params(labelleft=is_named)
    axes.set_xlabel(panel.axis, loc="left")
    axes.locator_params(axis="x", nbins=max(2, min(6, int(width / 0.62))))
    axes.xaxis.set_major_formatter(tick)
    axes.spines["bottom"].set_visible(False)
    quiet(axes, "x")


def _draw_bar(axes: "Axes", at: float, bar: Bar, panel: Panel) -> None:
    colour, value = colour_of(bar.variant), bar.value
    if bar.parts:
        left = 0.0
        for tint, (_, part) in zip(_TINTS, bar.parts, strict=False):
            axes.barh(at, part, _THICK, left=left, color=colour, alpha=tint, linewidth=0)
            left += part
        axes.barh(at, value.median, _THICK, color="none", edgecolor=colour, linewidth=0.9)
    else:
        hatch = "////" if panel.worth is Worth.SHAPE else None
        axes.barh(at, value.median, _THICK, color=colour, linewidth=0, hatch=hatch)
    if value.high > value.low:
        axes.plot([value.low, value.high], [at, at], color=INK, linewidth=1.1, solid_capstyle="butt")
        axes.plot([value.low, value.high], [at, at], color=INK, linestyle="none", marker="|", markersize=5)
    words = f"{value.median:.0f} %" if panel.is_share else shown(value.median)
    end = max(value.high, value.median)
    patch = {"facecolor": CARD, "edgecolor": "none", "pad": 0.6} if panel.is_share else None
    axes.annotate(words, (end, at), (4, -0.5), "data", "offset points", va="center", bbox=patch)


def _draw_legend(figure: "Figure", parts: Sequence[str], at: float, height: float) -> None:
    """In grey: a part has the tint, the mode the colour."""
    from matplotlib.patches import Rectangle

    left = _NAMES
    for tint, part in zip(_TINTS, parts, strict=False):
        figure.add_artist(
            Rectangle(
                (left / WIDTH, (at - 0.05) / height),
                0.16 / WIDTH,
                0.1 / height,
                facecolor=MUTED,
                alpha=tint,
                edgecolor=FAINT,
                linewidth=0.6,
            )
        )
        figure.text((left + 0.22) / WIDTH, at / height, part, size=8.5, color=MUTED, va="center")
        left += 0.5 + 0.066 * len(part)


def _in_words(panels: Sequence[Panel]) -> str:
    return " ".join(
        f"{panel.title} ({panel.axis}): "
        + ", ".join(f"{bar.name} {shown(bar.value.median)}" for bar in panel.bars)
        + "."
        for panel in panels
    )
