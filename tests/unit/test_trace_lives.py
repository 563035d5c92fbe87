# SPDX-License-Identifier: Apache-2.0
import pytest

from midway.measure.exits import ExitKind
from midway.measure.trace_events import parse_trace
from midway.measure.trace_lives import Life, Stretch, lives_of, typical
from unit import trace_texts as texts


def lives(text: str) -> list[Life]:
    return list(lives_of(list(parse_trace(text.splitlines())), texts.SPI, texts.IRQ))


def test_a_life_with_irqfd_ends_with_the_exit_that_completes_it() -> None:
    (life,) = lives(texts.IRQFD_ON_ANOTHER_CPU)
    assert (life.cpu, life.vcpu) == (0, texts.VCPU)
    assert life.handler == Stretch(23.060085, 23.060176)
    assert life.delivered == 23.060369
    assert [found.kind for found in life.exits] == [
        ExitKind.DELIVERY,
        ExitKind.OTHER,
        ExitKind.COMPLETION,
    ]
    assert life.end == 23.061384


def test_a_forwarded_life_is_seen_until_the_next_exit() -> None:
    (life,) = lives(texts.FORWARD)
    assert life.lowered is None
    assert (life.delivered, life.end) == (41.308667, 41.309909)


def test_a_forwarded_line_that_comes_again_shows_that_the_guest_had_ended_its_interrupt() -> None:
    again = """\
<idle>-0       [001] d.h..    41.309000: irq_handler_entry: irq=19 name=vfio-forward:ff0d0000.ethernet[0]
<idle>-0       [001] d.h..    41.309100: vgic_update_irq_pending: VCPU: 0, IRQ 33, level: 1
<idle>-0       [001] d.h..    41.309200: irq_handler_exit: irq=19 ret=handled
"""
    lines = texts.FORWARD.splitlines()
    (life,) = lives("\n".join([*lines[:6], *again.splitlines(), lines[6]]))
    assert (life.delivered, life.end) == (41.308667, 41.309)


def test_a_guest_is_left_before_kvm_tells_of_the_exit() -> None:
    (life,) = lives(texts.FORWARD)
    assert life.exits[0].left == life.handler.start


def test_what_user_space_does_for_an_interrupt_is_part_of_its_life() -> None:
    (life,) = lives(texts.USERSPACE)
    assert [step.is_unmask for step in life.steps] == [False, True]
    assert life.end == 58.8395


@pytest.mark.parametrize("text", [texts.FORWARD, texts.USERSPACE, texts.IRQFD_ON_ANOTHER_CPU])
def test_a_life_that_the_end_of_the_trace_cuts_is_left_out(text: str) -> None:
    cut = text.splitlines()[:5]
    assert lives("\n".join(cut)) == []


def test_the_typical_life_is_one_of_those_that_are_like_most() -> None:
    found = [*lives(texts.IRQFD_ON_ANOTHER_CPU), *lives(texts.FORWARD), *lives(texts.FORWARD)]
    chosen = typical(found)
    assert chosen is not None
    assert chosen.lowered is None


def test_without_lives_none_is_typical() -> None:
    assert typical([]) is None
