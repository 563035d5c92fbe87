# SPDX-License-Identifier: Apache-2.0
import pytest

from midway.errors import HostError
from midway.measure.exits import ExitCounts, ExitKind, classify, exits_of, require_pairs
from midway.measure.trace_events import parse_trace
from unit import trace_texts as texts


def counts(text: str) -> ExitCounts:
    return classify(parse_trace(text.splitlines()), texts.SPI, texts.IRQ)


def kinds(text: str) -> list[ExitKind]:
    return [found.kind for found in exits_of(parse_trace(text.splitlines()), texts.SPI, texts.IRQ)]


def test_an_event_is_read_with_its_time_its_thread_and_its_fields() -> None:
    events = list(parse_trace((texts.HEADER + texts.IRQFD_ON_ANOTHER_CPU).splitlines()))
    assert len(events) == 13
    level = events[2]
    assert (level.seconds, level.cpu, level.task) == (23.060139, 0, 0)
    assert level.raises(texts.SPI, 1)
    assert not level.raises(texts.SPI, 0)
    assert events[-1].fields["class"] == "WFx"


def test_a_line_that_is_no_event_is_an_error() -> None:
    with pytest.raises(HostError, match="no event"):
        list(parse_trace(["something else"]))


def test_an_interrupt_with_irqfd_has_an_exit_to_deliver_and_one_to_complete() -> None:
    found = counts(texts.IRQFD_ON_ANOTHER_CPU)
    assert (found.interrupts, found.raised, found.lowered) == (1, 1, 1)
    assert (found.delivery, found.completion) == (1, 1)
    assert found.other == {"IRQ": 1, "WFx": 1}
    assert found.exits == 4


def test_a_forwarded_interrupt_has_no_exit_to_complete() -> None:
    found = counts(texts.FORWARD)
    assert (found.interrupts, found.delivery, found.completion) == (1, 1, 0)
    assert found.per_interrupt(found.exits) == 2


def test_an_exit_in_which_the_host_handler_ran_is_a_delivery_also_through_user_space() -> None:
    assert kinds(texts.USERSPACE) == [ExitKind.DELIVERY, ExitKind.COMPLETION]


def test_an_interrupt_of_another_line_delivers_nothing() -> None:
    other = texts.FORWARD.replace("irq=19", "irq=20").replace("IRQ 33", "IRQ 34")
    found = counts(other)
    assert (found.interrupts, found.delivery, found.other.total()) == (0, 0, 2)


def test_a_trap_in_which_an_interrupt_arrives_would_have_been_there_without_it() -> None:
    trapped = texts.FORWARD.replace("kvm_exit: IRQ:", "kvm_exit: TRAP:")
    assert kinds(trapped) == [ExitKind.OTHER, ExitKind.OTHER]


def test_what_follows_the_exit_does_not_belong_to_it() -> None:
    lines = texts.FORWARD.splitlines()
    after = "\n".join([lines[0], lines[4], *lines[1:4], lines[5]])
    assert kinds(after) == [ExitKind.OTHER]


def test_a_completion_in_which_the_device_interrupts_again_delivers_too() -> None:
    lines = texts.FORWARD.splitlines()
    lowered = lines[2].replace("level: 1", "level: 0").replace("d.h..", "d....")
    found = counts("\n".join([lines[0], lowered, *lines[1:]]))
    assert (found.delivery, found.completion, found.merged) == (0, 1, 1)


def test_a_recording_may_begin_and_end_between_an_entry_and_its_exit() -> None:
    for text in (texts.IRQFD_ON_ANOTHER_CPU, texts.FORWARD, texts.USERSPACE):
        lines = text.splitlines()
        for cut in (lines, lines[1:], lines[:-1]):
            require_pairs(list(parse_trace(cut)))


@pytest.mark.parametrize("missing", ["kvm_entry", "kvm_exit"])
def test_a_recording_without_entries_or_exits_is_refused_and_no_basis_for_counts(missing: str) -> None:
    lines = [line for line in texts.IRQFD_ON_ANOTHER_CPU.splitlines() if f"{missing}:" not in line]
    with pytest.raises(HostError, match=rf"thread {texts.VCPU}: .* 0 {missing}"):
        require_pairs(list(parse_trace(lines)))
