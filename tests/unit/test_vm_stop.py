# SPDX-License-Identifier: Apache-2.0
"""Stopping a VM from outside, whatever its threads wait for."""

import os
import threading
from typing import cast

from midway.board.plan import MachinePlan
from midway.kernel.eventfd import EventFd
from midway.kernel.memory import GuestMemory
from midway.kernel.syscalls import Linux
from midway.vm.console import Console
from midway.vm.machine import Machine
from midway.vm.uart import Uart
from unit.blocked import fill

SECONDS = 20


def test_a_stop_frees_the_uart_that_waits_for_a_reader_of_its_output() -> None:
    """The loop that hears of the stop waits for the UART too, when it brings input at that moment."""
    calls = Linux()
    source, target = os.pipe()
    try:
        fill(target)
        with GuestMemory(calls) as memory, Console(calls, target) as console, EventFd(calls) as event:
            machine = Machine(cast(MachinePlan, None), memory, console)
            machine._stop_event = event
            uart = Uart(console.write, lambda _: None)
            vcpu = threading.Thread(target=uart.write, args=(0, b"x"), daemon=True)
            vcpu.start()
            while not uart._lock.locked():
                pass
            machine.stop()
            vcpu.join(SECONDS)
            assert not vcpu.is_alive()
            uart.receive(b"input")
            assert event.drain() == 1
    finally:
        os.close(source)
        os.close(target)
