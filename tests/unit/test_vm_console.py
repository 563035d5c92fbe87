# SPDX-License-Identifier: Apache-2.0
"""The guest's console on real pipes and a real terminal."""

import os
import pty
import queue
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from midway.kernel.syscalls import Linux
from midway.vm.console import Console
from midway.vm.events import EventLoop
from midway.vm.terminal import as_console
from midway.vm.uart import Uart
from unit.blocked import blocked_guest, fill

SECONDS = 20


class Guest:
    """A UART whose guest reads everything as soon as it is told to."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[bool] = queue.Queue()
        self.uart = Uart(lambda _: None, self.arrived.put)
        self.uart.write(1, b"\1")

    def take(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            while self.uart.read(5, 1)[0] & 1:
                data += self.uart.read(0, 1)
            if len(data) < count:
                self.arrived.get(timeout=SECONDS)
        return bytes(data)


@pytest.fixture
def ends() -> Iterator[dict[str, int]]:
    """Two pipes: "input_source" and "input_target", and the same of "output"."""
    numbers: dict[str, int] = {}
    for name in ("input", "output"):
        numbers[f"{name}_source"], numbers[f"{name}_target"] = os.pipe()
    yield numbers
    for fd in numbers.values():
        with suppress(OSError):  # some tests close an end
            os.close(fd)


def test_what_the_guest_sends_comes_out(ends: dict[str, int]) -> None:
    with Console(Linux(), ends["output_target"]) as console:
        console.write(b"hello")
    assert os.read(ends["output_source"], 100) == b"hello"


def test_output_that_nobody_takes_is_dropped_once_the_console_gives_up(ends: dict[str, int]) -> None:
    with Console(Linux(), ends["output_target"]) as console:
        writer = threading.Thread(target=console.write, args=(bytes(1 << 20),))
        writer.start()
        console.give_up()
        writer.join(SECONDS)
        assert not writer.is_alive()


def test_a_reader_that_has_gone_does_not_stop_the_guest(ends: dict[str, int]) -> None:
    os.close(ends["output_source"])
    with Console(Linux(), ends["output_target"]) as console:
        console.write(b"hello")
        console.write(b" there")
        assert console.lost == 11


def test_output_for_a_reader_that_goes_while_the_pipe_is_full_is_a_finding(ends: dict[str, int]) -> None:
    fill(ends["output_target"])
    os.close(ends["output_source"])
    with Console(Linux(), ends["output_target"]) as console:
        console.write(b"hello")
        console.write(b" there")
        assert console.lost == 11
        assert [finding.code for finding in console.findings()] == ["console-lost"]


def test_output_dropped_because_the_console_gives_up_is_no_finding(ends: dict[str, int]) -> None:
    fill(ends["output_target"])
    with Console(Linux(), ends["output_target"]) as console:
        console.give_up()
        console.write(b"hello")
        assert console.findings() == ()


@pytest.fixture
def failures() -> "queue.Queue[Exception]":
    return queue.Queue()


def test_more_input_than_the_uart_holds_arrives_whole(
    ends: dict[str, int], failures: "queue.Queue[Exception]"
) -> None:
    guest, data = Guest(), bytes(range(1, 251)) * 100
    with (
        Console(Linux(), ends["output_target"], ends["input_source"]) as console,
        EventLoop(Linux(), failures.put) as events,
    ):
        console.attach(guest.uart, events)
        events.start()
        threading.Thread(target=os.write, args=(ends["input_target"], data)).start()
        assert guest.take(len(data)) == data
    assert failures.empty()


def test_input_goes_on_after_a_guest_has_cleared_a_full_uart(
    ends: dict[str, int], failures: "queue.Queue[Exception]"
) -> None:
    guest = Guest()
    room = guest.uart.room
    with (
        Console(Linux(), ends["output_target"], ends["input_source"]) as console,
        EventLoop(Linux(), failures.put) as events,
    ):
        console.attach(guest.uart, events)
        os.write(ends["input_target"], bytes(room) + b"later")
        events.start()
        while guest.uart.room or not console._paused:
            assert failures.empty()
        guest.uart.write(2, b"\3")
        assert guest.take(5) == b"later"
    assert failures.empty()


def test_the_end_of_the_input_ends_only_the_input(
    ends: dict[str, int], failures: "queue.Queue[Exception]"
) -> None:
    guest = Guest()
    with (
        Console(Linux(), ends["output_target"], ends["input_source"]) as console,
        EventLoop(Linux(), failures.put) as events,
    ):
        console.attach(guest.uart, events)
        events.start()
        os.write(ends["input_target"], b"last")
        os.close(ends["input_target"])
        assert guest.take(4) == b"last"
        probe: queue.Queue[int] = queue.Queue()
        source, target = os.pipe()
        events.watch(source, lambda: probe.put(len(os.read(source, 1))))
        os.write(target, b"x")
        assert probe.get(timeout=SECONDS) == 1
        events.stop()
        os.close(source)
        os.close(target)
    assert failures.empty()


@pytest.mark.parametrize(
    ("typed", "arrives", "stops"),
    [
        (b"a\x01cb", b"a\x03b", 0),
        (b"a\x01\x01b", b"a\x01b", 0),
        (b"a\x01qb", b"ab", 0),
        (b"a\x01xb", b"ab", 1),
    ],
)
def test_the_escape_has_its_own_keys(
    ends: dict[str, int],
    failures: "queue.Queue[Exception]",
    typed: bytes,
    arrives: bytes,
    stops: int,
) -> None:
    guest = Guest()
    escapes: list[int] = []
    with (
        Console(
            Linux(), ends["output_target"], ends["input_source"], escaped=lambda: escapes.append(1)
        ) as console,
        EventLoop(Linux(), failures.put) as events,
    ):
        console.attach(guest.uart, events)
        events.start()
        for byte in typed:
            os.write(ends["input_target"], bytes((byte,)))
        assert guest.take(len(arrives)) == arrives
    assert len(escapes) == stops
    assert failures.empty()


def test_without_an_escape_every_byte_is_the_guests(
    ends: dict[str, int], failures: "queue.Queue[Exception]"
) -> None:
    guest = Guest()
    with (
        Console(Linux(), ends["output_target"], ends["input_source"]) as console,
        EventLoop(Linux(), failures.put) as events,
    ):
        console.attach(guest.uart, events)
        events.start()
        os.write(ends["input_target"], b"\x01x")
        assert guest.take(2) == b"\x01x"
    assert failures.empty()


def test_ctrl_a_x_is_heard_after_a_key_while_nobody_takes_the_output() -> None:
    with blocked_guest() as guest:
        guest.type_and_wait(b"a")
        guest.type(b"\x01x")
        assert guest.escaped.get(timeout=SECONDS)


def test_what_else_is_watched_is_served_after_a_key_while_nobody_takes_the_output() -> None:
    served: queue.Queue[int] = queue.Queue()
    with blocked_guest() as guest:
        guest.events.watch(guest.event.fd, lambda: served.put(guest.event.drain()))
        guest.type_and_wait(b"a")
        guest.event.signal()
        assert served.get(timeout=SECONDS) == 1


def test_a_terminal_passes_keys_at_once_and_is_restored() -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        with as_console(slave):
            during = termios.tcgetattr(slave)
            assert not during[3] & (termios.ICANON | termios.ECHO)
            assert during[3] & termios.ISIG
            os.write(master, b"\r")
            assert os.read(slave, 1) == b"\r"
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_a_terminal_that_has_gone_need_not_be_restored() -> None:
    master, slave = pty.openpty()
    try:
        with as_console(slave):
            os.close(master)
    finally:
        os.close(slave)
