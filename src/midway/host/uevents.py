# SPDX-License-Identifier: Apache-2.0
"""The kernel's device events (netlink(7), NETLINK_KOBJECT_UEVENT), to wait for a driver without polling."""

import select
import socket
import time
from collections.abc import Callable
from types import TracebackType

from midway.errors import KernelError

__all__ = ["Uevents"]

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_LARGEST_EVENT = 1 << 14


class Uevents:
    """Events from when it is entered on; open it before the act whose outcome is waited for."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Uevents":
        family, kind = socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(family, kind, _NETLINK_KOBJECT_UEVENT)
            self._socket.bind((0, _KERNEL_GROUP))
        except OSError as error:
            self.close()
            raise KernelError("listening to device events", error.errno or 0) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Look at `condition` at once and after every event; whether it came true within `seconds`."""
        if self._socket is None:
            raise ValueError("not entered")
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            if poll.poll(left * 1000):
                self._drain(self._socket)
        return True

    def _drain(self, events: socket.socket) -> None:
        """Drop what came: an event only says when to look again, so one lost to a full buffer is no harm."""
        try:
            while events.recv(_LARGEST_EVENT):
                pass
        except OSError:
            return
