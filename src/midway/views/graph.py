# SPDX-License-Identifier: Apache-2.0
"""A device as a picture: what the guest touches, the device, what its node points to, and who provides it.

Four layers from left to right.  The highest makes the picture's height, and the others are centred on it,
with providers next to what points to them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from midway.findings import Finding, Severity
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import verdict, verdict_phrase
from midway.views.cards import (
    BODY,
    CHIP,
    TITLE,
    Card,
    decision_cards,
    device_card,
    provider_cards,
    route_cards,
)
from midway.views.palette import (
    BACKGROUND,
    BORDER,
    CARD,
    FAINT,
    INK,
    MAPPED,
    MUTED,
    SEVERITIES,
    TRAPPED,
    VERDICTS,
    Look,
)
from midway.views.svg import Canvas, Font, clipped, text_width, wrapped

__all__ = ["picture"]

_MARGIN = 36.0
_GAP = 14.0  # between cards of a layer
_ROUTES = (_MARGIN, 300.0)  # of each layer: where it begins, and how wide it is
_DEVICE = (416.0, 232.0)
_DECISIONS = (736.0, 320.0)
_PROVIDERS = (1136.0, 268.0)
_WIDTH = _PROVIDERS[0] + _PROVIDERS[1] + _MARGIN
_NARROW = _DECISIONS[0] + _DECISIONS[1] + _MARGIN  # where there are no providers
_NAME, _HEADING, _SMALL = Font(24, bold=True), Font(11, bold=True), Font(12)
_PILL, _PATH = Font(15, bold=True), Font(12.5, mono=True)
_TOP = 108.0  # of the layers' headings
_FINDING_LINES = 3
_MOST_OF_A_KIND = 2
_DEVICE_EXTRA = 14.0  # below the device's text, for the verdict's colour


@dataclass(frozen=True, slots=True)
class _Placed:
    card: Card
    x: float
    y: float

    @property
    def left(self) -> tuple[float, float]:
        return self.x, self.y + self.card.height / 2

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.card.width, self.y + self.card.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.card.height


def picture(plan: DevicePlan, in_use: Sequence[Finding] = ()) -> str:
    """The drawing as an SVG document; `in_use` is what the host uses the device for."""
    canvas = Canvas()
    top = _TOP + 24
    routes = route_cards(plan, _ROUTES[1])
    decisions = decision_cards(plan, _DECISIONS[1])
    width = _WIDTH if decisions else _NARROW
    _header(canvas, plan, width)
    providers = provider_cards(decisions, _PROVIDERS[1])
    device = device_card(plan, _DEVICE[1])
    height = max(_height(routes), _height(decisions), _height(list(providers.values())), device.height)
    left = _column(routes, _ROUTES[0], top, height)
    middle = _Placed(device, _DEVICE[0], top + (height - device.height - _DEVICE_EXTRA) / 2)
    right = _column(decisions, _DECISIONS[0], top, height)
    far = _next_to(right, providers, top, height)
    _headings(canvas, bool(decisions), bool(providers))
    _edges(canvas, left, middle, right, far)
    for placed in (*left, *right, *far.values()):
        _draw(canvas, placed)
    _draw_device(canvas, middle, VERDICTS[verdict(plan.findings)])
    if not decisions:
        _nothing(canvas, top + height / 2)
    y = _legend(canvas, decisions, left, top + height + 34, width)
    y = _findings(canvas, (*in_use, *plan.findings), y + 22, width)
    title = f"{plan.device.name}: {verdict_phrase(plan)}"
    points = ", ".join(f"{card.title} ({card.chip})" for card in decisions) or "nothing"
    return canvas.document(width, y + _MARGIN, title, f"Its node points to: {points}", BACKGROUND)


def _height(cards: Sequence[Card]) -> float:
    return sum(card.height for card in cards) + _GAP * max(0, len(cards) - 1)


def _column(cards: Sequence[Card], x: float, top: float, height: float) -> list[_Placed]:
    y = top + (height - _height(cards)) / 2
    placed = []
    for card in cards:
        placed.append(_Placed(card, x, y))
        y += card.height + _GAP
    return placed


def _next_to(
    decisions: Sequence[_Placed], providers: Mapping[str, Card], top: float, height: float
) -> dict[str, _Placed]:
    """Each provider as near as can be to the middle of what points to it; none over another."""
    wanted = {
        path: _mean(placed.left[1] for placed in decisions if path in placed.card.targets)
        for path in providers
    }
    order = sorted(providers, key=wanted.__getitem__)
    at: dict[str, float] = {}
    y = top
    for path in order:
        at[path] = max(y, wanted[path] - providers[path].height / 2)
        y = at[path] + providers[path].height + _GAP
    limit = top + height
    for path in reversed(order):
        at[path] = min(at[path], limit - providers[path].height)
        limit = at[path] - _GAP
    return {path: _Placed(providers[path], _PROVIDERS[0], at[path]) for path in order}


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)


def _header(canvas: Canvas, plan: DevicePlan, full: float) -> None:
    device, came_to = plan.device, verdict(plan.findings)
    phrase = clipped(verdict_phrase(plan), _PILL, full / 2)
    width = text_width(phrase, _PILL) + 36
    canvas.box(full - _MARGIN - width, 34, width, 36, VERDICTS[came_to], radius=18, tip=verdict_phrase(plan))
    canvas.text(full - _MARGIN - width / 2, 57, phrase, _PILL, "#ffffff", anchor="middle")
    room = full - 2 * _MARGIN - width - 30
    canvas.text(_MARGIN, 54, clipped(device.name, _NAME, room), _NAME, INK)
    canvas.text(_MARGIN, 78, clipped(device.node_path, _PATH, room), _PATH, MUTED)


def _headings(canvas: Canvas, decisions: bool, providers: bool) -> None:
    shown = [(_ROUTES, "WHAT THE GUEST TOUCHES  (HOST → GUEST)"), (_DEVICE, "THE DEVICE")]
    shown.append((_DECISIONS, "WHAT ITS NODE POINTS TO, AND WHAT BECOMES OF IT"))
    if providers and decisions:
        shown.append((_PROVIDERS, "WHO PROVIDES IT ON THE HOST"))
    for (x, width), text in shown:
        canvas.text(x, _TOP + 6, clipped(text, _HEADING, width + 60), _HEADING, FAINT)


def _edges(
    canvas: Canvas,
    left: Sequence[_Placed],
    device: _Placed,
    right: Sequence[_Placed],
    far: Mapping[str, _Placed],
) -> None:
    for placed, (x, y) in zip(left, _ports(device.left, len(left), device.card.height), strict=True):
        canvas.edge(placed.right, (x, y), placed.card.colour, arrow=False)
        canvas.dot(x, y, 3, placed.card.colour)
    for placed, port in zip(right, _ports(device.right, len(right), device.card.height), strict=True):
        _line(canvas, port, placed.left, placed.card.look)
        ends = [far[path] for path in placed.card.targets]
        for end in ends:
            _line(canvas, placed.right, end.left, placed.card.look)


def _ports(middle: tuple[float, float], count: int, height: float) -> list[tuple[float, float]]:
    """Places on the device's side, one below the other."""
    x, y = middle
    step = min(14.0, (height - 16) / max(1, count))
    return [(x, y + (at - (count - 1) / 2) * step) for at in range(count)]


def _line(canvas: Canvas, start: tuple[float, float], end: tuple[float, float], look: Look | None) -> None:
    if look is not None:
        canvas.edge(start, end, look.colour, dash=look.dash, width=look.width)


def _draw(canvas: Canvas, placed: _Placed) -> None:
    card, x, y = placed.card, placed.x, placed.y
    canvas.box(x, y, card.width, card.height, CARD, stroke=BORDER, tip=card.tip)
    canvas.box(x, y + 8, 4, card.height - 16, card.colour, radius=2)
    canvas.text(x + 14, y + 25, card.title, TITLE, INK)
    if card.chip:
        width = text_width(card.chip, CHIP) + 16
        canvas.box(x + card.width - width - 10, y + 11, width, 19, card.tint, radius=9.5)
        canvas.text(x + card.width - 10 - width / 2, y + 24.5, card.chip, CHIP, card.colour, anchor="middle")
    for at, (text, font) in enumerate(card.lines):
        canvas.text(x + 14, y + 44 + 17 * at, text, font, MUTED)


def _draw_device(canvas: Canvas, placed: _Placed, colour: str) -> None:
    card, x, y = placed.card, placed.x, placed.y
    height = card.height + _DEVICE_EXTRA
    canvas.box(x, y, card.width, height, INK, stroke=INK, radius=10, tip=card.tip)
    canvas.box(x + 14, y + height - 12, card.width - 28, 4, colour, radius=2)
    canvas.text(x + 14, y + 26, card.title, TITLE, "#ffffff")
    for at, (text, font) in enumerate(card.lines):
        canvas.text(x + 14, y + 45 + 17 * at, text, font, "#c3cbda")


def _nothing(canvas: Canvas, y: float) -> None:
    x, width = _DECISIONS
    canvas.box(x, y - 28, width, 56, "none", stroke=FAINT, dash="4 4")
    canvas.text(x + width / 2, y + 4, "its node points to no other", BODY, MUTED, anchor="middle")


def _legend(
    canvas: Canvas, decisions: Sequence[Card], routes: Sequence[_Placed], y: float, full: float
) -> float:
    """Only what the picture has; the y below it."""
    colours = {placed.card.colour for placed in routes}
    entries = [
        (colour, "", text)
        for colour, text in ((MAPPED, "the hardware does it"), (TRAPPED, "slower or weaker than could be"))
        if colour in colours
    ]
    looks = dict.fromkeys(card.look for card in decisions if card.look)
    entries += [(look.colour, look.dash, f"{look.word}: {look.meaning}") for look in looks]
    x = _MARGIN
    for colour, dash, text in entries:
        width = text_width(text, _SMALL) + 68
        if x + width > full - _MARGIN:
            x, y = _MARGIN, y + 22
        canvas.edge((x, y - 4), (x + 28, y - 4), colour, dash=dash, width=2.4, arrow=False)
        canvas.text(x + 36, y, text, _SMALL, MUTED)
        x += width
    return y


def _findings(canvas: Canvas, findings: Sequence[Finding], y: float, full: float) -> float:
    """The worst first, those of one kind together, on a card of their own; the y below it."""
    if not findings:
        return y
    kinds: dict[tuple[Severity, str], list[Finding]] = {}
    for severity in reversed(Severity):
        for finding in findings:
            if finding.severity is severity:
                kinds.setdefault((severity, finding.code), []).append(finding)
    lines = [(kind, _said(found, full)) for kind, found in kinds.items()]
    height = 16 + sum(19 * len(said) + 6 for _, said in lines)
    canvas.box(_MARGIN, y, full - 2 * _MARGIN, height, CARD, stroke=BORDER)
    base = y + 26
    for (severity, code), said in lines:
        canvas.dot(_MARGIN + 22, base - 4, 4.5, SEVERITIES[severity])
        canvas.text(_MARGIN + 36, base, clipped(code, CHIP, 180), CHIP, SEVERITIES[severity])
        for text, colour in said:
            canvas.text(_MARGIN + 226, base, text, BODY, colour)
            base += 19
        base += 6
    return y + height


def _said(found: Sequence[Finding], full: float) -> list[tuple[str, str]]:
    """Lines and their colours for findings of one kind."""
    room = full - 2 * _MARGIN - 226 - 20
    lines = [
        (line, INK)
        for finding in found[:_MOST_OF_A_KIND]
        for line in wrapped(finding.cause, BODY, room, _FINDING_LINES)
    ]
    more = len(found) - _MOST_OF_A_KIND
    if more > 0:
        lines.append((f"and {more} more like these", MUTED))
    if found[0].remedy and found[0].severity is not Severity.NOTE:
        lines += [(line, MUTED) for line in wrapped(f"→ {found[0].remedy}", BODY, room, 2)]
    return lines
