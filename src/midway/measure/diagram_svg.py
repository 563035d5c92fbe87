# SPDX-License-Identifier: Apache-2.0
"""The life of an interrupt as SVG."""

from midway.measure.diagram import LANES, Arrow, Bar, Kind, Lane, Picture
from midway.measure.diagram_layout import positions
from midway.views.palette import BACKGROUND, BORDER, CARD, FAINT, INK, MUTED
from midway.views.svg import Canvas, Font, text_width

__all__ = ["as_svg"]

_TITLE, _SUBTITLE = Font(17, bold=True), Font(13)
_LANE, _LABEL, _STEP, _NUMBER, _TIME = (
    Font(13, bold=True),
    Font(11.5),
    Font(13),
    Font(11, bold=True),
    Font(10.5),
)
_MARGIN, _NAMES = 24, 108  # the names' column
_TOP, _LANE_HEIGHT, _BAR_HEIGHT = 84, 54, 26
_LEAST, _MOST = 30.0, 110.0
_STEP_HEIGHT = 22
_DISC = 8.5

# fill, edge, text
_BARS = {
    Kind.LINE: ("#fde9cf", "#d97706", "#7c3f06"),
    Kind.HOST: ("#475569", "#475569", "#ffffff"),
    Kind.KVM: ("#cbd5e1", "#94a3b8", INK),
    Kind.PENDING: ("#ffffff", "#6d28d9", "#6d28d9"),
    Kind.LISTED: ("#e4daf9", "#6d28d9", "#4c1d95"),
    Kind.GUEST: ("#e3f4ea", "#86c9a0", "#166534"),
    Kind.HANDLING: ("#15803d", "#15803d", "#ffffff"),
    Kind.WAITING: ("#ffffff", "#94a0b5", MUTED),
    Kind.USER: ("#1d4ed8", "#1d4ed8", "#ffffff"),
}
_ARROWS = {Kind.SIGNAL: "#55627a", Kind.ENTRY: "#94a0b5", Kind.EXIT: "#c81e1e", Kind.FREE: "#15803d"}


class _Sequence(Canvas):
    """A canvas with arrows that go straight up and down."""

    def drop(self, x: float, start: float, end: float, stroke: str, *, width: float = 1.8) -> None:
        down = end > start
        tip = -7 if down else 7
        self._elements.append(
            f'<path d="M{x:.1f} {start:.1f}V{end + tip:.1f}" fill="none" stroke="{stroke}" '
            f'stroke-width="{width:g}"/>'
        )
        self._elements.append(f'<path d="M{x:.1f} {end:.1f}l-4.5 {tip}h9z" fill="{stroke}"/>')


def as_svg(picture: Picture) -> str:
    """A document that is as wide as it needs to be."""
    places = positions(picture, _LEAST, _MOST, _needed)
    left = _MARGIN + _NAMES
    numbered = [arrow for arrow in picture.arrows if arrow.text]
    steps = [_step(picture, arrow) for arrow in numbered]
    right = left + max(places.values()) + 16
    texts = [(picture.title, _TITLE), (picture.subtitle, _SUBTITLE), *((step, _STEP) for step in steps)]
    width = max(right, *(_MARGIN + 30 + text_width(text, font) for text, font in texts)) + _MARGIN
    lanes_end = _TOP + _LANE_HEIGHT * len(LANES)
    height = lanes_end + 22 + _STEP_HEIGHT * len(steps) + 34

    canvas = _Sequence()
    canvas.text(_MARGIN, 36, picture.title, _TITLE, INK)
    canvas.text(_MARGIN, 58, picture.subtitle, _SUBTITLE, MUTED)
    for lane, name in LANES.items():
        top = _TOP + lane * _LANE_HEIGHT
        canvas.box(_MARGIN, top + 2, width - 2 * _MARGIN, _LANE_HEIGHT - 4, CARD, stroke=BORDER, radius=6)
        canvas.text(_MARGIN + 12, top + _LANE_HEIGHT / 2 + 4.5, name, _LANE, INK)
    if not any(bar.lane is Lane.USER for bar in picture.bars):
        canvas.text(left, _middle(Lane.USER) + 4.5, "not involved", _LABEL, FAINT)
    for bar in picture.bars:
        _draw_bar(canvas, bar, left + places[bar.start], left + places[bar.end])
    for arrow in picture.arrows:
        _draw_arrow(canvas, arrow, left + places[arrow.at])
    for bar in picture.bars:
        _draw_label(canvas, bar, left + places[bar.start], left + places[bar.end])
    for number, arrow in enumerate(numbered, 1):
        _disc(canvas, left + places[arrow.at], _disc_height(arrow), number, arrow)
    for number, (arrow, step) in enumerate(zip(numbered, steps, strict=True), 1):
        base = lanes_end + 26 + _STEP_HEIGHT * (number - 1)
        _disc(canvas, _MARGIN + 12, base - 4.5, number, arrow)
        canvas.text(_MARGIN + 30, base, step, _STEP, INK)
    foot = "In the order of time" + (
        ", not to scale." if picture.is_timed else "; an emulated board has no times."
    )
    canvas.text(_MARGIN, height - 14, foot, _TIME, MUTED)
    return canvas.document(width, height, picture.title, picture.subtitle, BACKGROUND)


def _needed(bar: Bar) -> float:
    return text_width(bar.label, _LABEL) + 14 if bar.label else 0.0


def _step(picture: Picture, arrow: Arrow) -> str:
    text = arrow.text[0].upper() + arrow.text[1:]
    return f"{text}  ({arrow.at * 1e6:+.0f} µs)" if picture.is_timed else text


def _middle(lane: Lane) -> float:
    return _TOP + lane * _LANE_HEIGHT + _LANE_HEIGHT / 2


def _draw_bar(canvas: Canvas, bar: Bar, start: float, end: float) -> None:
    fill, edge, _ = _BARS[bar.kind]
    top = _middle(bar.lane) - _BAR_HEIGHT / 2
    dash = "4 3" if bar.kind in (Kind.PENDING, Kind.WAITING) else ""
    canvas.box(start, top, end - start, _BAR_HEIGHT, fill, stroke=edge, radius=3, dash=dash, tip=bar.label)


def _draw_label(canvas: Canvas, bar: Bar, start: float, end: float) -> None:
    """On a patch of the bar's colour, for arrows may pass there."""
    if bar.label:
        fill, _, ink = _BARS[bar.kind]
        middle, width = (start + end) / 2, text_width(bar.label, _LABEL)
        canvas.box(middle - width / 2, _middle(bar.lane) - 8, width, 16, fill, radius=2)
        canvas.text(middle, _middle(bar.lane) + 4, bar.label, _LABEL, ink, anchor="middle")


def _ends(arrow: Arrow) -> tuple[float, float]:
    """The arrow's heights: from bar to bar, not through them."""
    half = _BAR_HEIGHT / 2
    sign = 1 if arrow.target > arrow.source else -1
    return _middle(arrow.source) + sign * half, _middle(arrow.target) - sign * half


def _draw_arrow(canvas: _Sequence, arrow: Arrow, x: float) -> None:
    start, end = _ends(arrow)
    strong = arrow.kind in (Kind.EXIT, Kind.FREE)
    canvas.drop(x, start, end, _ARROWS[arrow.kind], width=2.6 if strong else 1.8)


def _disc_height(arrow: Arrow) -> float:
    """In the gap between two lanes, next to where the arrow starts."""
    start, _ = _ends(arrow)
    return start + (12 if arrow.target > arrow.source else -12)


def _disc(canvas: Canvas, x: float, y: float, number: int, arrow: Arrow) -> None:
    canvas.dot(x, y, _DISC, _ARROWS[arrow.kind])
    canvas.text(x, y + 3.9, str(number), _NUMBER, "#ffffff", anchor="middle")
