# SPDX-License-Identifier: Apache-2.0
import xml.etree.ElementTree as ElementTree

import pytest

from midway.config import InterruptMode
from midway.measure.diagram import Kind, Lane, Picture, picture_of
from midway.measure.diagram_layout import positions
from midway.measure.diagram_svg import as_svg
from midway.measure.diagram_text import as_text
from midway.measure.trace_events import parse_trace
from midway.measure.trace_lives import lives_of
from unit import trace_texts as texts

TEXTS = {
    InterruptMode.IRQFD: texts.IRQFD_ON_ANOTHER_CPU,
    InterruptMode.FORWARD: texts.FORWARD,
    InterruptMode.USERSPACE: texts.USERSPACE,
}


def picture(mode: InterruptMode, *, is_timed: bool = True) -> Picture:
    (life,) = lives_of(list(parse_trace(TEXTS[mode].splitlines())), texts.SPI, texts.IRQ)
    return picture_of(life, mode, device="ff0d0000.ethernet", spi=1, is_timed=is_timed)


def arrows(found: Picture, kind: Kind) -> int:
    return sum(arrow.kind is kind for arrow in found.arrows)


def test_with_irqfd_the_guest_is_left_once_to_deliver_and_once_to_complete() -> None:
    found = picture(InterruptMode.IRQFD)
    assert arrows(found, Kind.EXIT) == 2
    assert "1 to complete it" in found.subtitle


def test_a_forwarded_interrupt_is_completed_by_the_guest_without_an_exit() -> None:
    found = picture(InterruptMode.FORWARD)
    assert (arrows(found, Kind.EXIT), arrows(found, Kind.FREE)) == (1, 1)
    assert found.subtitle.startswith("1 exit for it, none to complete it")


def test_the_delivery_of_the_next_interrupt_is_not_counted_for_a_forwarded_one() -> None:
    once = texts.FORWARD.splitlines()
    again = [line.replace(" 41.30", " 41.31") for line in once[:6]]
    events = list(parse_trace([*once[:6], *again[1:]]))
    life, *_ = lives_of(events, texts.SPI, texts.IRQ)
    found = picture_of(life, InterruptMode.FORWARD, device="nic", spi=1)
    assert found.subtitle.startswith("1 exit for it")


@pytest.mark.parametrize(("mode", "bars"), [("irqfd", 0), ("forward", 0), ("userspace", 2)])
def test_user_space_has_its_lane_and_is_in_it_only_where_it_is_involved(mode: str, bars: int) -> None:
    found = picture(InterruptMode(mode))
    assert sum(bar.lane is Lane.USER for bar in found.bars) == bars


@pytest.mark.parametrize("mode", list(InterruptMode))
def test_moments_keep_their_order_and_every_label_has_room(mode: InterruptMode) -> None:
    found = picture(mode)
    places = positions(found, 3, 9, lambda bar: len(bar.label))
    assert list(places.values()) == sorted(places.values())
    for bar in found.bars:
        assert places[bar.end] - places[bar.start] >= len(bar.label) - 0.001


@pytest.mark.parametrize("mode", list(InterruptMode))
def test_the_terminal_shows_every_lane_and_every_step(mode: InterruptMode) -> None:
    found = picture(mode)
    lines = list(as_text(found))
    for name in ("device line", "host CPU", "vGIC", "guest", "user space"):
        assert any(line.startswith(name) for line in lines)
    assert all(arrow.text in "\n".join(lines) for arrow in found.arrows)


@pytest.mark.parametrize("mode", list(InterruptMode))
def test_the_drawing_is_a_document_with_every_step_in_words(mode: InterruptMode) -> None:
    found = picture(mode)
    document = ElementTree.fromstring(as_svg(found))  # noqa: S314 - our own
    words = " ".join(document.itertext()).casefold()
    assert all(arrow.text.casefold() in words for arrow in found.arrows)


def test_times_are_left_out_where_they_mean_nothing() -> None:
    assert "µs" in as_svg(picture(InterruptMode.FORWARD))
    untimed = picture(InterruptMode.FORWARD, is_timed=False)
    assert "µs" not in as_svg(untimed)
    assert "µs" not in "\n".join(as_text(untimed))
