# SPDX-License-Identifier: Apache-2.0
"""How a VM ends."""

import pytest

from midway.errors import GuestFaultError, GuestPanicError
from midway.vm.outcome import End, Ending, Outcome


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome(End.POWER_OFF), 0),
        (Outcome(End.RESET), 3),
        (Outcome(End.PANIC), 4),
        (Outcome(End.FAULT), 5),
        (Outcome(End.STOPPED), 0),
        (Outcome(End.STOPPED, signal=2), 130),
        (Outcome(End.STOPPED, signal=15), 143),
    ],
)
def test_every_end_has_its_exit_status(outcome: Outcome, status: int) -> None:
    assert outcome.exit_status == status


def test_a_panic_and_a_fault_are_errors_and_nothing_else_is() -> None:
    with pytest.raises(GuestPanicError, match="panic: not syncing"):
        Outcome(End.PANIC, "not syncing").raise_for_guest()
    with pytest.raises(GuestFaultError):
        Outcome(End.FAULT).raise_for_guest()
    for end in (End.POWER_OFF, End.RESET, End.STOPPED):
        Outcome(end).raise_for_guest()


def test_the_first_end_counts_and_is_told_once() -> None:
    told: list[int] = []
    ending = Ending(lambda: told.append(1))
    assert ending.wait(0) is None
    ending.end(Outcome(End.RESET))
    ending.end(Outcome(End.PANIC))
    assert ending.wait(0) == Outcome(End.RESET)
    assert told == [1]
