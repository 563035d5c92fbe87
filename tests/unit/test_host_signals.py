# SPDX-License-Identifier: Apache-2.0
"""Who hears a request to stop, and for how long."""

import signal
import threading
from collections.abc import Iterable, Iterator

import pytest

from midway.host.signals import heard_by, uninterrupted

REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where a shell started the tests with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", REQUESTS)
def test_requests_go_to_the_handler_with_their_number(number: signal.Signals) -> None:
    heard: list[int] = []
    with heard_by(lambda number, _: heard.append(number)):
        signal.raise_signal(number)
    assert heard == [number]


@pytest.mark.parametrize("number", REQUESTS)
def test_the_handlers_before_are_back_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with heard_by(lambda *_: None):
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before


def test_signals_that_are_ignored_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heard_by(lambda *_: None):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("interruptible")
def test_requests_to_stop_wait_for_the_end_of_a_step() -> None:
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            finished = True
    assert finished


@pytest.mark.usefixtures("interruptible")
def test_requests_to_stop_wait_also_when_another_thread_hears_them() -> None:
    step_ends = threading.Event()
    listener = threading.Thread(target=step_ends.wait)
    listener.start()
    finished = False
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
            with uninterrupted():
                assert listener.ident is not None
                signal.pthread_kill(listener.ident, signal.SIGINT)
                step_ends.set()
                listener.join()  # it has run the signal's handler of the kernel's by then
                finished = True
    finally:
        step_ends.set()
        listener.join()
    assert finished


@pytest.mark.usefixtures("interruptible")
def test_a_request_to_stop_during_a_step_that_fails_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), uninterrupted():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        raise ValueError


@pytest.mark.usefixtures("interruptible")
def test_a_request_that_comes_as_requests_are_blocked_leaves_none_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = signal.pthread_sigmask

    def then_interrupted(how: int, mask: Iterable[int]) -> set[int | signal.Signals]:
        changed = change(how, mask)
        if how == signal.SIG_BLOCK and mask:
            raise KeyboardInterrupt
        return changed

    before = change(signal.SIG_BLOCK, ())
    monkeypatch.setattr(signal, "pthread_sigmask", then_interrupted)
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        pytest.fail("the step began")
    assert change(signal.SIG_BLOCK, ()) == before
