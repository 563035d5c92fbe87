# SPDX-License-Identifier: Apache-2.0
"""The far end of a board's spare UART, with a socket in the emulator's place."""

import socket
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from midway.lab.uart import SpareUart


@pytest.fixture
def early() -> SimpleQueue[bytes]:
    return SimpleQueue()


@pytest.fixture
def emulator(early: SimpleQueue[bytes]) -> Iterator[tuple[SpareUart, socket.socket]]:
    ours, theirs = socket.socketpair()
    with theirs, SpareUart(ours, early.put) as uart:
        yield uart, theirs


def test_what_comes_is_taken_up_to_the_marker_and_the_rest_stays(
    emulator: tuple[SpareUart, socket.socket],
) -> None:
    uart, line = emulator
    uart.take_over()
    line.sendall(b"one\ntwo\nthr")
    assert uart.read_until(b"two\n", 10) == b"one\ntwo\n"
    line.sendall(b"ee\n")
    assert uart.read_until(b"\n", 10) == b"three\n"
    assert uart.received == b""


def test_what_is_sent_reaches_the_board(emulator: tuple[SpareUart, socket.socket]) -> None:
    uart, line = emulator
    uart.send(b"hello")
    assert line.recv(16) == b"hello"


def test_a_marker_that_does_not_come_is_told_with_what_did(
    emulator: tuple[SpareUart, socket.socket],
) -> None:
    uart, line = emulator
    uart.take_over()
    line.sendall(b"something")
    assert uart.read_until(b"some", 10) == b"some"
    with pytest.raises(TimeoutError, match="'login:' did not come out of the UART in 0 s, but b'thing'"):
        uart.read_until(b"login:", 0)


def test_what_comes_before_the_console_exists_goes_there(
    emulator: tuple[SpareUart, socket.socket], early: SimpleQueue[bytes]
) -> None:
    uart, line = emulator
    line.sendall(b"Booting")
    assert early.get(timeout=10) == b"Booting"
    assert uart.received == b""
