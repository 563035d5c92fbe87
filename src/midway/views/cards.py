# SPDX-License-Identifier: Apache-2.0
"""What the picture of a device says, before it is known where: routes, decisions and providers as cards."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from midway.config import ProviderPolicy
from midway.passthrough.routes import Decision, DevicePlan, DmaKind
from midway.views.palette import MAPPED, MUTED, TRAPPED, Look, look_of
from midway.views.svg import Font, clipped, wrapped

__all__ = [
    "BODY",
    "CHIP",
    "CODE",
    "TITLE",
    "Card",
    "decision_cards",
    "device_card",
    "provider_cards",
    "route_cards",
]

TITLE = Font(13, bold=True)
BODY = Font(12)
CODE = Font(11.5, mono=True)
CHIP = Font(11, bold=True)
_PADDING = 12
_NUMBER = re.compile(r"\b(\d{1,20}) (Hz|uV)\b")
_TITLE_HEIGHT = 20
_LINE_HEIGHT = 17
_MOST_LINES = 12  # of the device's interrupts, each on a card of its own
_ORDER: tuple[ProviderPolicy | None, ...] = (
    None,
    ProviderPolicy.TOGETHER,
    ProviderPolicy.FIXED,
    ProviderPolicy.CARVED,
    ProviderPolicy.HELD,
    ProviderPolicy.HOST,
    ProviderPolicy.DROPPED,
    ProviderPolicy.REFUSED,
)


@dataclass(frozen=True, slots=True)
class Card:
    """A titled box; `lines` are text and font; `chip` is a word on its right; `tip` the full text."""

    title: str
    lines: Sequence[tuple[str, Font]]
    colour: str
    width: float
    chip: str = ""
    tint: str = ""
    tip: str = ""
    look: Look | None = None
    targets: Sequence[str] = ()

    @property
    def height(self) -> float:
        return 2 * _PADDING + _TITLE_HEIGHT + _LINE_HEIGHT * len(self.lines) - 6


def route_cards(plan: DevicePlan, width: float) -> list[Card]:
    """The routes that need no provider: registers, interrupts, memory."""
    return [*_regions(plan, width), *_lines(plan, width), _dma(plan, width)]


def device_card(plan: DevicePlan, width: float) -> Card:
    device = plan.device
    room = width - 2 * _PADDING
    lines = [(clipped(device.compatible[0], CODE, room), CODE)] if device.compatible else []
    children = sum(1 for _ in plan.node.walk()) - 1
    if children:
        lines.append((f"and {children} node{'s' if children > 1 else ''} below it", BODY))
    if device.driver:
        lines.append((clipped(f"driver: {device.driver}", BODY, room), BODY))
    lines.append((clipped(f"in the guest: {plan.node.name}", BODY, room), BODY))
    return Card(clipped(device.name, TITLE, room), lines, MUTED, width, tip=device.node_path)


def decision_cards(plan: DevicePlan, width: float) -> list[Card]:
    """One for each property that points to other nodes, by policy."""
    top = plan.device.node_path
    found = [(_policy(decision, top), decision) for decision in plan.decisions]
    found.sort(key=lambda pair: _ORDER.index(pair[0]))
    return [_decision(top, policy, decision, width) for policy, decision in found]


def _policy(decision: Decision, top: str) -> ProviderPolicy | None:
    """As decided, but for what goes to the guest as another device."""
    within = all(path == top or path.startswith(f"{top}/") for path in decision.targets)
    return ProviderPolicy.TOGETHER if decision.policy is None and not within else decision.policy


def provider_cards(decisions: Sequence[Card], width: float) -> dict[str, Card]:
    """The nodes that the decisions are about, by path, in the order in which they are met."""
    paths = dict.fromkeys(path for card in decisions for path in card.targets)
    room = width - 2 * _PADDING
    return {
        path: Card(
            clipped(path.rpartition("/")[2], TITLE, room),
            [(clipped(path.rpartition("/")[0] or "/", CODE, room), CODE)],
            _common_colour(path, decisions),
            width,
            tip=path,
        )
        for path in paths
    }


def _common_colour(path: str, decisions: Sequence[Card]) -> str:
    """That of the decisions about a provider when they are all alike."""
    colours = {card.colour for card in decisions if path in card.targets}
    return colours.pop() if len(colours) == 1 else MUTED


def _readable(match: re.Match[str]) -> str:
    """Hertz and microvolts as people write them: 125 MHz, 3.3 V."""
    value, unit = int(match[1]), match[2]
    steps = (("GHz", 9), ("MHz", 6), ("kHz", 3)) if unit == "Hz" else (("V", 6), ("mV", 3))
    for name, power in steps:
        if value >= 10**power:
            return f"{value / 10**power:.9g} {name}"
    return match[0]


def _size(size: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >> shift and not size & ((1 << shift) - 1):
            return f"{size >> shift} {unit}"
    return f"{size:#x} bytes"


def _regions(plan: DevicePlan, width: float) -> Iterator[Card]:
    room = width - 2 * _PADDING
    for route in plan.mmio:
        region = route.region
        title = f"Registers {region.index}" + (f" · {region.name}" if region.name else "")
        how = "mapped" if route.mapped else "trapped: each access exits"
        yield Card(
            clipped(title, TITLE, room),
            [
                (clipped(f"{region.address:#x} → {route.guest_address:#x}", CODE, room), CODE),
                (clipped(f"{_size(region.size)}, {how}", BODY, room), BODY),
            ],
            MAPPED if route.mapped else TRAPPED,
            width,
        )


def _lines(plan: DevicePlan, width: float) -> Iterator[Card]:
    room = width - 2 * _PADDING
    modes = {route.line.index: route for route in plan.lines}
    # A line without a route is one of the refused, or it goes to a controller that the guest has too.
    refused = any(finding.code == "line-unroutable" for finding in plan.findings)
    shown = plan.device.lines[:_MOST_LINES]
    for line in shown:
        title = f"Interrupt {line.index}" + (f" · {line.name}" if line.name else "")
        where = f"SPI {line.spi}" if line.spi is not None else f"at {line.controller.rpartition('/')[2]}"
        route = modes.get(line.index)
        if line.duplicate_of is not None:
            yield Card(
                clipped(title, TITLE, room), [(f"the same as {line.duplicate_of}", BODY)], MUTED, width
            )
        elif route is None:
            yield Card(
                clipped(title, TITLE, room),
                [
                    (clipped(where, CODE, room), CODE),
                    ("cannot be passed" if refused else "stays within the guest", BODY),
                ],
                look_of(ProviderPolicy.REFUSED).colour if refused else MUTED,
                width,
            )
        else:
            yield Card(
                clipped(title, TITLE, room),
                [
                    (clipped(f"{where} → SPI {route.spi}", CODE, room), CODE),
                    (f"{line.trigger}, {route.mode}", BODY),
                ],
                MAPPED if line.spi is not None else TRAPPED,
                width,
            )
    more = len(plan.device.lines) - len(shown)
    if more:
        yield Card(f"and {more} more interrupts", [], MUTED, width)


def _dma(plan: DevicePlan, width: float) -> Card:
    if plan.dma.kind is DmaKind.IOMMU:
        return Card("DMA", [(f"through the IOMMU, group {plan.dma.group}", BODY)], MAPPED, width)
    return Card("DMA", [("direct: guest address = host address", BODY)], TRAPPED, width)


def _decision(top: str, policy: ProviderPolicy | None, decision: Decision, width: float) -> Card:
    look = look_of(policy)
    title = decision.title(top)
    room = width - 2 * _PADDING
    outcome = _NUMBER.sub(_readable, decision.outcome)
    return Card(
        clipped(title, TITLE, room - 76),
        [(line, BODY) for line in wrapped(outcome, BODY, room, 3)],
        look.colour,
        width,
        chip=look.word,
        tint=look.tint,
        tip=f"{title}: {decision.outcome}",
        look=look,
        targets=decision.targets,
    )
