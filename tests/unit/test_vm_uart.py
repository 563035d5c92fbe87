# SPDX-License-Identifier: Apache-2.0
"""The 16550."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from midway.vm.uart import Uart

DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH = range(8)
FCR = IIR
SECONDS = 20


class Wires:
    """What is at the other end: the line's changes and the bytes sent."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.levels: list[bool] = []
        self.uart = Uart(self.sent.extend, self.levels.append)

    def read(self, register: int) -> int:
        return self.uart.read(register, 1)[0]

    def write(self, register: int, value: int) -> None:
        self.uart.write(register, bytes((value,)))


@pytest.fixture
def wires() -> Wires:
    return Wires()


def test_what_the_guest_writes_is_sent(wires: Wires) -> None:
    for byte in b"hello":
        wires.write(DATA, byte)
    assert wires.sent == b"hello"


def test_the_transmitter_is_always_empty(wires: Wires) -> None:
    wires.write(DATA, 0x41)
    assert wires.read(LSR) == 0x60


def test_received_bytes_come_in_order_and_then_no_more(wires: Wires) -> None:
    wires.uart.receive(b"ab")
    assert wires.read(LSR) & 1
    assert [wires.read(DATA), wires.read(DATA)] == [0x61, 0x62]
    assert not wires.read(LSR) & 1
    assert wires.read(DATA) == 0


def test_received_data_interrupts_until_it_is_read(wires: Wires) -> None:
    wires.write(IER, 1)
    wires.uart.receive(b"a")
    assert wires.levels == [True]
    assert wires.read(IIR) == 0x04
    wires.read(DATA)
    assert wires.levels == [True, False]
    assert wires.read(IIR) == 0x01


def test_without_interrupts_enabled_the_line_stays_low(wires: Wires) -> None:
    wires.uart.receive(b"a")
    wires.write(DATA, 0x41)
    assert wires.levels == []


def test_enabling_the_empty_interrupt_raises_it_each_time(wires: Wires) -> None:
    for _ in range(2):
        wires.write(IER, 2)
        assert wires.read(IIR) == 0x02
        assert wires.read(IIR) == 0x01
        wires.write(IER, 0)
    assert wires.levels == [True, False, True, False]


def test_sending_raises_the_empty_interrupt_again(wires: Wires) -> None:
    wires.write(IER, 2)
    wires.read(IIR)
    wires.write(DATA, 0x41)
    assert wires.levels == [True, False, True]


def test_received_data_is_reported_before_an_empty_transmitter(wires: Wires) -> None:
    wires.write(IER, 3)
    wires.uart.receive(b"a")
    assert wires.read(IIR) == 0x04
    wires.read(DATA)
    assert wires.read(IIR) == 0x02


def test_the_divisor_hides_behind_the_latch_bit(wires: Wires) -> None:
    wires.write(LCR, 0x83)
    wires.write(DATA, 0x0C)
    wires.write(IER, 0x01)
    assert (wires.read(DATA), wires.read(IER)) == (0x0C, 0x01)
    wires.write(LCR, 0x03)
    assert wires.read(IER) == 0
    assert wires.sent == b""


def test_fifos_are_announced_and_cleared(wires: Wires) -> None:
    wires.uart.receive(b"abc")
    wires.write(FCR, 0x03)
    assert wires.read(IIR) == 0xC1
    assert not wires.read(LSR) & 1


def test_loopback_returns_data_and_modem_lines(wires: Wires) -> None:
    wires.write(MCR, 0x1F)
    wires.write(DATA, 0x55)
    assert wires.read(DATA) == 0x55
    assert wires.read(MSR) == 0xF0
    assert wires.sent == b""


def test_the_scratch_register_remembers(wires: Wires) -> None:
    wires.write(SCRATCH, 0xA5)
    assert wires.read(SCRATCH) == 0xA5


def test_beyond_its_room_nothing_is_kept(wires: Wires) -> None:
    wires.uart.receive(bytes(wires.uart.room + 10))
    assert wires.uart.room == 0


def test_the_sender_hears_when_everything_was_taken(wires: Wires) -> None:
    calls: list[int] = []
    wires.uart.on_drained(lambda: calls.append(wires.uart.room))
    wires.uart.receive(b"ab")
    wires.read(DATA)
    assert calls == []
    wires.read(DATA)
    assert calls == [4096]


def test_the_sender_hears_when_everything_was_cleared(wires: Wires) -> None:
    calls: list[int] = []
    wires.uart.on_drained(lambda: calls.append(wires.uart.room))
    wires.write(FCR, 0x03)
    assert calls == []
    wires.uart.receive(b"ab")
    wires.write(FCR, 0x03)
    assert calls == [4096]


class SlowWires(Wires):
    """A byte is sent when it is `taken`; until then the vCPU that wrote it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.uart = Uart(self._send, self.levels.append)
        self.taken = threading.Event()
        self._sending = threading.Event()
        self._vcpus: list[threading.Thread] = []

    def write_and_wait(self, value: int) -> None:
        """From a vCPU of its own; returns when that one waits."""
        self._start(lambda: self.write(DATA, value))
        self._sending.wait()

    def meanwhile(self, call: Callable[[], object]) -> None:
        """From another thread, as it might have to wait too."""
        thread = self._start(call)
        thread.join(SECONDS)
        assert not thread.is_alive()

    def end(self) -> None:
        self.taken.set()
        for vcpu in self._vcpus:
            vcpu.join()

    def _start(self, call: Callable[[], object]) -> threading.Thread:
        self._vcpus.append(threading.Thread(target=call))
        self._vcpus[-1].start()
        return self._vcpus[-1]

    def _send(self, data: bytes) -> None:
        self._sending.set()
        self.taken.wait()
        self.sent.extend(data)


@pytest.fixture
def slow_wires() -> Iterator[SlowWires]:
    wires = SlowWires()
    yield wires
    wires.end()


def test_received_data_interrupts_while_a_byte_waits_to_be_sent(slow_wires: SlowWires) -> None:
    slow_wires.write(IER, 1)
    slow_wires.write_and_wait(0x41)
    slow_wires.meanwhile(lambda: slow_wires.uart.receive(b"a"))
    assert slow_wires.levels == [True]


def test_the_empty_interrupt_comes_only_once_the_byte_has_been_sent(slow_wires: SlowWires) -> None:
    slow_wires.write(IER, 2)
    slow_wires.read(IIR)
    slow_wires.write_and_wait(0x41)
    assert slow_wires.levels == [True, False]
    slow_wires.end()
    assert slow_wires.levels == [True, False, True]


def test_an_empty_interrupt_taken_while_a_byte_waits_comes_again_for_that_byte(slow_wires: SlowWires) -> None:
    slow_wires.write(IER, 2)
    slow_wires.write_and_wait(0x41)
    slow_wires.meanwhile(lambda: slow_wires.read(IIR))
    slow_wires.end()
    assert slow_wires.levels == [True, False, True]


def test_bytes_of_several_vcpus_are_sent_one_at_a_time() -> None:
    busy, overlaps = threading.Lock(), []

    def send(data: bytes) -> None:
        if not busy.acquire(blocking=False):
            overlaps.append(data)
            return
        os.sched_yield()  # to the others, who would come in here
        busy.release()

    uart = Uart(send, lambda _: None)

    def write_many() -> None:
        for _ in range(200):
            uart.write(DATA, b"x")

    vcpus = [threading.Thread(target=write_many) for _ in range(4)]
    for vcpu in vcpus:
        vcpu.start()
    for vcpu in vcpus:
        vcpu.join()
    assert overlaps == []
