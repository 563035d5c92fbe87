# SPDX-License-Identifier: Apache-2.0
"""A thread that waits for file descriptors and calls what belongs to each."""

import select
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from midway.kernel.eventfd import EventFd
from midway.kernel.syscalls import SystemCalls
from midway.vm.threads import start_thread

__all__ = ["EventLoop"]


class EventLoop:
    """`failed` is called with what a callback raised; the loop ends then.

    Watching may begin before `start`.  `stop` comes before the watched files are closed.
    """

    def __init__(self, calls: SystemCalls, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        # poll(2) and not epoll(7), which refuses regular files: a console's input may be one.
        self._poll = select.poll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._changes: list[tuple[int, Callable[[], None] | None]] = []
        self._lock = threading.Lock()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._wake = EventFd(calls)
        self._poll.register(self._wake.fd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._wake.close()

    def start(self) -> None:
        self._thread = start_thread("events", self._run)

    def stop(self) -> None:
        """Return when no callback runs any more."""
        if self._thread is not None:
            self._stopping = True
            self._wake.signal()
            self._thread.join()
            self._thread = None

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        """Call `call`, in the loop's thread, whenever `fd` can be read or is at its end, until forgotten."""
        with self._lock:
            self._changes.append((fd, call))
        self._wake.signal()

    def forget(self, fd: int) -> None:
        """Stop watching, from the next round on."""
        with self._lock:
            self._changes.append((fd, None))
        self._wake.signal()

    def _apply_changes(self) -> None:
        with self._lock:
            changes, self._changes = self._changes, []
        for fd, call in changes:
            if call is not None:
                self._callbacks[fd] = call
                self._poll.register(fd, select.POLLIN)
            elif self._callbacks.pop(fd, None) is not None:
                self._poll.unregister(fd)

    def _run(self) -> None:
        try:
            while not self._stopping:
                for fd, _ in self._poll.poll():
                    if fd == self._wake.fd:
                        self._wake.drain()
                        self._apply_changes()
                    elif fd in self._callbacks:  # and not forgotten since the poll
                        self._callbacks[fd]()
        except Exception as error:  # noqa: BLE001 - handed to the one who owns the loop
            self._failed(error)
