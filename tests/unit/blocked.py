# SPDX-License-Identifier: Apache-2.0
"""Output that nobody takes, and a guest that waits for somebody who does."""

import os
import queue
import select
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from midway.kernel.eventfd import EventFd
from midway.kernel.syscalls import Linux
from midway.vm.console import Console
from midway.vm.events import EventLoop
from midway.vm.uart import Uart

__all__ = ["BlockedGuest", "blocked_guest", "fill"]


def fill(target: int) -> None:
    """Write into a pipe until nothing more fits."""
    while select.select([], [target], [], 0)[1]:
        os.write(target, bytes(select.PIPE_BUF))


class BlockedGuest:
    """Its vCPU, a thread, waits in the UART to write to a full pipe; keys are read by a running event loop.

    `escaped` has an entry for each Ctrl-A x.  `event` is for what else the loop is to hear of.
    """

    def __init__(self, resources: ExitStack) -> None:
        calls = Linux()
        self._keys, self._typed = _pipe(resources)
        _, output = _pipe(resources)
        fill(output)
        self.escaped: queue.Queue[bool] = queue.Queue()
        self.failures: queue.Queue[Exception] = queue.Queue()
        self.event = resources.enter_context(EventFd(calls))
        self.console = resources.enter_context(
            Console(calls, output, self._keys, escaped=lambda: self.escaped.put(True))
        )
        self.events = resources.enter_context(EventLoop(calls, self.failures.put))
        self._sending = threading.Event()
        uart = Uart(self._transmit, lambda _: None)
        self.console.attach(uart, self.events)
        self.events.start()
        self.vcpu = threading.Thread(target=uart.write, args=(0, b"x"))
        self.vcpu.start()
        resources.callback(self.vcpu.join)
        resources.callback(self.console.give_up)
        self._sending.wait()

    def type(self, keys: bytes) -> None:
        os.write(self._typed, keys)

    def type_and_wait(self, keys: bytes) -> None:
        """Return when the loop has read them, whatever it does with them."""
        self.type(keys)
        while select.select([self._keys], [], [], 0)[0]:
            pass

    def _transmit(self, data: bytes) -> None:
        self._sending.set()
        self.console.write(data)


@contextmanager
def blocked_guest() -> Iterator[BlockedGuest]:
    with ExitStack() as resources:
        guest = BlockedGuest(resources)
        yield guest
    assert guest.failures.empty()


def _pipe(resources: ExitStack) -> tuple[int, int]:
    source, target = os.pipe()
    resources.callback(os.close, source)
    resources.callback(os.close, target)
    return source, target
