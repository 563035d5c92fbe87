# SPDX-License-Identifier: Apache-2.0
"""The life of an interrupt in a terminal: a row for each lane, and what happens at each number below."""

from collections.abc import Iterator

from midway.measure.diagram import LANES, Arrow, Bar, Kind, Lane, Picture
from midway.measure.diagram_layout import positions

__all__ = ["as_text"]

_NAMES = 13  # columns
_LEAST, _MOST = 3.0, 9.0
_FILLS = {
    Kind.LINE: "▒",
    Kind.HOST: "█",
    Kind.KVM: "▓",
    Kind.PENDING: "░",
    Kind.LISTED: "▒",
    Kind.GUEST: "─",
    Kind.HANDLING: "█",
    Kind.WAITING: "·",
    Kind.USER: "█",
}


def as_text(picture: Picture) -> Iterator[str]:
    """Lines of plain Unicode, as long as they need to be."""
    places = {
        moment: round(place)
        for moment, place in positions(picture, _LEAST, _MOST, lambda bar: len(bar.label) + 4.0).items()
    }
    numbered = [arrow for arrow in picture.arrows if arrow.text]
    yield picture.title
    yield picture.subtitle
    yield ""
    yield _row("", _numbers(numbered, places))
    for lane, name in LANES.items():
        yield _row(name, _lane(picture, lane, places))
    yield ""
    for number, arrow in enumerate(numbered, 1):
        when = f"{arrow.at * 1e6:+10.0f} µs  " if picture.is_timed else "  "
        yield f"{number:>3}{when}{LANES[arrow.source]} → {LANES[arrow.target]}: {arrow.text}"


def _row(name: str, content: str) -> str:
    return f"{name:<{_NAMES}}{content}".rstrip()


def _numbers(arrows: list[Arrow], places: dict[float, int]) -> str:
    row = ""
    for number, arrow in enumerate(arrows, 1):
        row = f"{row:<{places[arrow.at]}}{number}"
    return row


def _lane(picture: Picture, lane: Lane, places: dict[float, int]) -> str:
    row = [" "] * (max(places.values()) + 1)
    for bar in (bar for bar in picture.bars if bar.lane is lane):
        start, end = places[bar.start], places[bar.end]
        row[start:end] = _filled(bar, end - start)
    for arrow in picture.arrows:
        upper, lower = sorted((arrow.source, arrow.target))
        at = places[arrow.at]
        if upper < lane < lower and row[at] in (" ", "─"):
            row[at] = "│"
        elif lane is arrow.target and row[at] == " ":
            row[at] = "▲" if arrow.target < arrow.source else "▼"
    return "".join(row)


def _filled(bar: Bar, width: int) -> str:
    fill = _FILLS[bar.kind]
    if len(bar.label) + 2 > width:
        return fill * width
    text = f" {bar.label} "
    left = (width - len(text)) // 2
    return f"{fill * left}{text}{fill * (width - len(text) - left)}"
