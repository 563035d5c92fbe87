# SPDX-License-Identifier: Apache-2.0
"""Drawing SVG 1.1: shapes, and text whose width is estimated, because nobody knows the viewer's fonts."""

from dataclasses import dataclass, field
from html import escape

__all__ = ["Canvas", "Font", "clipped", "text_width", "wrapped"]

_SANS = "Inter,'Segoe UI','Helvetica Neue',Arial,'DejaVu Sans',sans-serif"
_MONO = "ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace"
# Widths in em, of the widest of these fonts, so that text fits in all of them.
_MONO_WIDTH = 0.605
_NARROW, _WIDE = frozenset("iIjlt|.,:;'!()[]/ f"), frozenset("mwMW@%")
_NARROW_WIDTH, _WIDE_WIDTH, _CAPITAL_WIDTH, _OTHER_WIDTH = 0.37, 0.95, 0.70, 0.61
_BOLD_FACTOR = 1.08
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Font:
    """`size` in pixels."""

    size: float
    bold: bool = False
    mono: bool = False


def text_width(text: str, font: Font) -> float:
    """An upper estimate in pixels."""
    if font.mono:
        return len(text) * _MONO_WIDTH * font.size
    ems = sum(
        _NARROW_WIDTH
        if letter in _NARROW
        else _WIDE_WIDTH
        if letter in _WIDE
        else _CAPITAL_WIDTH
        if letter.isupper()
        else _OTHER_WIDTH
        for letter in text
    )
    return ems * font.size * (_BOLD_FACTOR if font.bold else 1)


def clipped(text: str, font: Font, width: float) -> str:
    """The text, or as much of both its ends as fits."""
    if text_width(text, font) <= width:
        return text
    kept = len(text) - 1
    while kept > 2 and text_width(text[:kept] + _ELLIPSIS, font) > width:
        kept -= 1
    tail = kept // 2
    return text[: kept - tail] + _ELLIPSIS + text[len(text) - tail :]


def wrapped(text: str, font: Font, width: float, most: int) -> list[str]:
    """The text in at most so many lines; the last one is clipped when that is not enough."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), font) <= width:
            count += 1
        lines.append(clipped(" ".join(words[:count]), font, width))
        words = words[count:]
    if words:
        rest = " ".join(words)
        if text_width(rest, font) > width:
            while rest and text_width(rest + _ELLIPSIS, font) > width:
                rest = rest[:-1]
            rest = rest.rstrip() + _ELLIPSIS
        lines.append(rest)
    return lines


def _clean(text: str) -> str:
    """What XML 1.0 can hold, escaped."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))


@dataclass(slots=True)
class Canvas:
    """Elements in drawing order; coordinates in pixels from the top left."""

    _elements: list[str] = field(default_factory=list)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str,
        *,
        stroke: str = "none",
        radius: float = 8,
        dash: str = "",
        tip: str = "",
    ) -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        shape = (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:g}" '
            f'fill="{fill}" stroke="{stroke}"{dashed}'
        )
        self._elements.append(f"{shape}><title>{_clean(tip)}</title></rect>" if tip else f"{shape}/>")

    def text(self, x: float, y: float, text: str, font: Font, fill: str, *, anchor: str = "start") -> None:
        """`y` is the base line's."""
        kind = ("m" if font.mono else "s") + ("b" if font.bold else "")
        self._elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" font-size="{font.size:g}" fill="{fill}" '
            f'text-anchor="{anchor}">{_clean(text)}</text>'
        )

    def edge(
        self,
        start: tuple[float, float],
        end: tuple[float, float],
        stroke: str,
        *,
        dash: str = "",
        width: float = 1.6,
        arrow: bool = True,
    ) -> None:
        """A curve that leaves and arrives level, from left to right."""
        (x, y), (to_x, to_y) = start, end
        bend = (to_x - x) / 2
        stop = to_x - 6 if arrow else to_x
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._elements.append(
            f'<path d="M{x:.1f} {y:.1f}C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} '
            f'{stop:.1f} {to_y:.1f}" fill="none" stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'
        )
        if arrow:
            self._elements.append(
                f'<path d="M{to_x:.1f} {to_y:.1f}l-8 -4v8z" fill="{stroke}"/>',
            )

    def dot(self, x: float, y: float, radius: float, fill: str) -> None:
        self._elements.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"/>')

    def document(self, width: float, height: float, title: str, description: str, background: str) -> str:
        """The whole drawing; `title` and `description` are for those who do not see it."""
        style = f".s,.sb{{font-family:{_SANS}}}.m,.mb{{font-family:{_MONO}}}.sb,.mb{{font-weight:600}}"
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        )
        return "\n".join(
            (
                head,
                f"<title>{_clean(title)}</title>",
                f"<desc>{_clean(description)}</desc>",
                f"<style>{style}</style>",
                f'<rect width="100%" height="100%" fill="{background}"/>',
                *self._elements,
                "</svg>\n",
            )
        )
