# SPDX-License-Identifier: Apache-2.0
"""The guest's console on this process's standard files, or any others."""

import os
import select
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from midway.findings import Finding, Severity
from midway.kernel.eventfd import EventFd
from midway.kernel.syscalls import SystemCalls
from midway.vm.events import EventLoop
from midway.vm.uart import Uart

__all__ = ["ESCAPE", "Console"]

ESCAPE = 0x01  # Ctrl-A: then x ends the guest, c sends it a Ctrl-C, and Ctrl-A again sends it one
_INTERRUPT = 0x03
_CHUNK = 1024


class Console:
    """`output` takes what the guest sends; `input_fd` is read for the guest, None for no input.

    `escaped` is called for the escape's x; None where the input is no terminal and every byte is the guest's.
    """

    def __init__(
        self,
        calls: SystemCalls,
        output_fd: int,
        input_fd: int | None = None,
        *,
        escaped: Callable[[], None] | None = None,
    ) -> None:
        self._output = output_fd
        self._input = input_fd
        self._escaped = escaped
        self._after_escape = False
        self.lost = 0  # bytes of output that could not be written
        self._resources = ExitStack()
        self._closing = self._resources.enter_context(EventFd(calls))
        self._ready = select.poll()
        self._ready.register(output_fd, select.POLLOUT)
        self._ready.register(self._closing.fd, select.POLLIN)
        self._paused = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def findings(self) -> tuple[Finding, ...]:
        if not self.lost:
            return ()
        return (
            Finding(
                code="console-lost",
                severity=Severity.NOTE,
                subject="guest",
                cause=f"{self.lost} bytes of its console could not be written",
            ),
        )

    def give_up(self) -> None:
        """Output that nobody takes must not keep the VM from ending: from now on it is dropped instead."""
        self._closing.signal()

    def write(self, data: bytes) -> None:
        """What the guest sends; waits while nobody takes it, as a UART with flow control would."""
        while data and not self.lost:
            ready = dict(self._ready.poll())
            if not ready.get(self._output, 0) & select.POLLOUT:
                if self._closing.fd in ready:
                    return  # giving up
                break  # the reader has gone and left the pipe full
            try:
                # So many bytes at least fit where poll(2) sees room.
                data = data[os.write(self._output, data[: select.PIPE_BUF]) :]
            except OSError:  # the reader has gone, or the disk is full
                break
        self.lost += len(data)

    def attach(self, uart: Uart, events: EventLoop) -> None:
        """Bring the input to `uart`, no faster than the guest takes it."""
        if self._input is None:
            return
        source = self._input

        def resume() -> None:
            if self._paused:
                self._paused = False
                events.watch(source, read)

        def read() -> None:
            room = uart.room
            data = self._take(source, min(_CHUNK, room)) if room else b""
            if data:
                uart.receive(self._without_escapes(data) if self._escaped else data)
                return
            events.forget(source)
            if not room:
                self._paused = True
                if uart.room:  # drained before the pause was noted
                    resume()

        uart.on_drained(resume)
        events.watch(source, read)

    def _take(self, source: int, size: int) -> bytes:
        try:
            return os.read(source, size)
        except OSError:  # a terminal that has gone is at its end
            return b""

    def _without_escapes(self, data: bytes) -> bytes:
        kept = bytearray()
        for byte in data:
            if self._after_escape:
                self._after_escape = False
                if byte in b"xX" and self._escaped is not None:
                    self._escaped()
                elif byte in b"cC":
                    kept.append(_INTERRUPT)
                elif byte == ESCAPE:
                    kept.append(byte)
            elif byte == ESCAPE:
                self._after_escape = True
            else:
                kept.append(byte)
        return bytes(kept)
