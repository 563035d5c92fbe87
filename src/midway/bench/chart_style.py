# SPDX-License-Identifier: Apache-2.0
"""What all charts have in common: colours, type, the head with its mark, and the files that they become."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from midway.bench.extra import bench_extra
from midway.bench.results import Results
from midway.views.palette import CARD, FAINT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "GRID",
    "HEAD",
    "WIDTH",
    "Chart",
    "Head",
    "Worth",
    "colour_of",
    "drawing",
    "make_figure",
    "mark",
    "quiet",
    "rendered",
    "short",
    "shown",
    "tick",
    "worth_of",
]

# From the palette of Okabe and Ito, which people with any colour vision can tell apart.
_COLOURS = {
    "native": "#7b8494",
    "userspace": "#e69f00",
    "irqfd": "#0072b2",
    "forward": "#009e73",
    "qemu": "#cc79a7",
    "midway": "#009e73",
    "kvmtool": "#56b4e9",
}
_OTHERS = ("#d55e00", "#a6761d")
GRID = "#dde3ec"
ON_COLOUR = "#fefefe"  # not the background's white, which is another where the page is dark
_TYPEFACE = "'DejaVu Sans'"
WIDTH, HEAD = 7.2, 0.72  # inches
_PNG_DPI = 200
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "midway",
    "svg.fonttype": "none",  # text stays text: small, and there for a search and a screen reader
    "font.family": ["DejaVu Sans"],  # matplotlib brings it, and hardly any other is wider
    "font.size": 9.0,
    "text.parse_math": False,  # a name with dollars in it is a name
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": INK,
    "xtick.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": CARD,
    "axes.facecolor": "none",
    "hatch.linewidth": 0.7,
    "hatch.color": ON_COLOUR,
}
_SUFFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


class Worth(Enum):
    """What a figure of an emulated board is worth: the words, and their colour.  On a real board nothing need
    be said: all of them are that board's.
    """

    TRUE = ("true in emulation too", "#15803d")
    SHAPE = ("a shape only: emulated board", "#b45309")
    UNSAID = ("", "")

    @property
    def words(self) -> str:
        return self.value[0]

    @property
    def colour(self) -> str:
        return self.value[1]


class Head(NamedTuple):
    """What is above a chart."""

    title: str
    subtitle: str


@dataclass(frozen=True)
class Chart:
    """`text` says in words what is drawn, for those who cannot see it; `figure` is what draws it."""

    name: str
    title: str
    text: str
    svg: str
    figure: "Figure" = field(repr=False, compare=False)

    def png(self) -> bytes:
        """The same picture in pixels: the same bytes for the same figure too."""
        content = BytesIO()
        with drawing():
            self.figure.savefig(content, format="png", dpi=_PNG_DPI, metadata={"Software": None})
        return content.getvalue()


@contextmanager
def drawing() -> Iterator[None]:
    """Around all that draws.  Raises HostError when matplotlib is not installed."""
    with bench_extra():
        import matplotlib
    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever a user's matplotlibrc says
        for name, value in _STYLE.items():
            # matplotlib's types know each setting's name as a literal, and no table of them.
            matplotlib.rcParams[name] = value  # type: ignore[index]
        yield


def make_figure(head: Head, height: float, worth: Worth | None) -> "Figure":
    """`height` in inches, with the head's; `worth` is None where it is not the same for all of the chart."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    figure.text(0.16 / WIDTH, 1 - 0.27 / height, head.title, size=12.5, weight="bold", va="center")
    figure.text(0.16 / WIDTH, 1 - 0.53 / height, head.subtitle, color=MUTED, va="center")
    if worth is not None and worth.words:
        figure.text(
            1 - 0.22 / WIDTH,
            1 - 0.27 / height,
            worth.words,
            size=8.5,
            weight="bold",
            color=ON_COLOUR,
            ha="right",
            va="center",
            # Wider than the words: in another typeface they take more or less.
            bbox={"boxstyle": "round,pad=0.5,rounding_size=0.9", "fc": worth.colour, "ec": "none"},
        )
    return figure


def worth_of(is_count: bool, results: Results) -> Worth:
    if not results.machine.emulated:
        return Worth.UNSAID
    return Worth.TRUE if is_count else Worth.SHAPE


def mark(axes: "Axes", worth: Worth) -> None:
    """Below an axis and its label."""
    style: dict[str, Any] = {"color": worth.colour or MUTED, "size": 8, "weight": "bold"}
    axes.annotate(worth.words, (0, 0), (0, -40), "axes fraction", "offset points", **style)


def quiet(axes: "Axes", axis: str) -> None:
    """Light lines to read values from, behind what is drawn.  `axis` is ``x`` or ``y``."""
    axes.grid(axis="x" if axis == "x" else "y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def rendered(figure: "Figure", name: str, head: Head, text: str) -> Chart:
    """The same bytes for the same figure: no dates, no random names."""
    svg = BytesIO()
    figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    # Whoever lacks that typeface needs one that is no wider.
    portable = svg.getvalue().decode().replace(_TYPEFACE, f"{_TYPEFACE}, Verdana, sans-serif")
    return Chart(name, head.title, text, portable, figure)


def colour_of(variant: str) -> str:
    """A mode's or a VMM's, the same in every chart."""
    return _COLOURS.get(variant) or _OTHERS[sum(variant.encode(errors="replace")) % len(_OTHERS)]


def short(text: str, most: int = 22) -> str:
    """A name that came in a file, as a label: on one line, of characters that every font has."""
    plain = "".join(character if " " <= character <= "~" else "?" for character in text)
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def shown(value: float) -> str:
    """Three digits, with k, M, G or T for large numbers: ``0.050``, ``4.10``, ``937``, ``12.3 k``."""
    for least, suffix in _SUFFIXES:
        if abs(value) >= max(least, 1e4):
            return f"{_digits(value / least)}{suffix}"
    return _digits(value)


def tick(value: float, _: object = None) -> str:
    """The same without noughts that say nothing."""
    digits, space, suffix = shown(value).partition(" ")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + space + suffix


def _digits(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return "0" if value == 0 else f"{value:#.{3 if abs(value) >= 1 else 2}g}"
