# SPDX-License-Identifier: Apache-2.0
"""The thread that waits for file descriptors, with real ones."""

import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from midway.kernel.syscalls import Linux
from midway.vm.events import EventLoop

SECONDS = 20


class Failures(queue.Queue[Exception]):
    pass


@pytest.fixture
def failures() -> Failures:
    return Failures()


@pytest.fixture
def loop(failures: Failures) -> Iterator[EventLoop]:
    with EventLoop(Linux(), failures.put) as running:
        running.start()
        yield running
    assert failures.empty()


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def reader(source: int, seen: "queue.Queue[bytes]") -> Callable[[], None]:
    return lambda: seen.put(os.read(source, 100))


def test_a_watched_file_is_called_for_each_thing_that_comes(loop: EventLoop) -> None:
    seen: queue.Queue[bytes] = queue.Queue()
    with pipe() as (source, target):
        loop.watch(source, reader(source, seen))
        for word in (b"one", b"two"):
            os.write(target, word)
            assert seen.get(timeout=SECONDS) == word
        loop.stop()


def test_forgetting_from_within_the_call_is_enough_and_may_be_repeated(loop: EventLoop) -> None:
    calls: queue.Queue[str] = queue.Queue()
    with pipe() as (source, target), pipe() as (other, other_target):

        def once() -> None:
            loop.forget(source)
            loop.forget(source)
            calls.put("once")

        loop.watch(source, once)
        os.write(target, b"stays readable")
        assert calls.get(timeout=SECONDS) == "once"
        loop.watch(other, lambda: calls.put("other " + os.read(other, 9).decode()))
        os.write(other_target, b"x")
        while (call := calls.get(timeout=SECONDS)) != "other x":
            assert call == "once"  # at most those that were on their way
        loop.stop()
        assert calls.empty()


def test_a_file_can_be_watched_again(loop: EventLoop) -> None:
    seen: queue.Queue[bytes] = queue.Queue()
    with pipe() as (source, target):
        loop.watch(source, reader(source, seen))
        loop.forget(source)
        loop.watch(source, reader(source, seen))
        os.write(target, b"again")
        assert seen.get(timeout=SECONDS) == b"again"
        loop.stop()


def test_a_call_that_raises_is_handed_over_and_ends_the_loop(failures: Failures) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with EventLoop(Linux(), failures.put) as loop, pipe() as (source, target):
        loop.start()
        loop.watch(source, fail)
        os.write(target, b"x")
        assert isinstance(failures.get(timeout=SECONDS), ZeroDivisionError)
        loop.stop()


def test_stopping_twice_or_before_starting_is_nothing(failures: Failures) -> None:
    with EventLoop(Linux(), failures.put) as loop:
        loop.stop()
        loop.stop()
    assert failures.empty()
