# SPDX-License-Identifier: Apache-2.0
"""The far end of a board's spare UART: what a terminal plugged in there would see and send."""

import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["SpareUart"]


class SpareUart:
    """Reads all the time, as the emulated UART stands still when nobody does.

    Until `take_over` what arrives is given to `early`: the kernel may speak there before its console exists.
    """

    def __init__(self, line: socket.socket, early: Callable[[bytes], None]) -> None:
        self._line = line
        self._early: Callable[[bytes], None] | None = early
        self._arrived = threading.Condition()
        self._received = bytearray()
        self._reader = threading.Thread(target=self._read, name="lab-uart", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self._line.close()

    def take_over(self) -> None:
        """From now on what arrives is kept for `received` and `read_until`."""
        with self._arrived:
            self._early = None

    def send(self, data: bytes) -> None:
        """Send bytes to the board."""
        self._line.sendall(data)

    @property
    def received(self) -> bytes:
        """What has arrived and was not yet taken by `read_until`."""
        with self._arrived:
            return bytes(self._received)

    def read_until(self, marker: bytes, timeout: float) -> bytes:
        """Take everything up to and including `marker`.

        Raises TimeoutError, with what did arrive, when it has not come after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._arrived:
            while (at := self._received.find(marker)) < 0:
                if not self._arrived.wait(max(0.0, deadline - time.monotonic())):
                    got = bytes(self._received[-200:])
                    raise TimeoutError(f"{marker!r} did not come out of the UART in {timeout} s, but {got!r}")
            end = at + len(marker)
            taken = bytes(self._received[:end])
            del self._received[:end]
            return taken

    def _read(self) -> None:
        while data := self._receive():
            with self._arrived:
                if self._early:
                    self._early(data)
                else:
                    self._received += data
                    self._arrived.notify_all()

    def _receive(self) -> bytes:
        try:
            return self._line.recv(65536)
        except OSError:  # the emulator ended with something of ours unread
            return b""
