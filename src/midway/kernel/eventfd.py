# SPDX-License-Identifier: Apache-2.0
"""eventfd(2): a 64-bit counter that the kernel's subsystems use to wake each other and us."""

import os

from midway.errors import KernelError
from midway.kernel.handle import Handle
from midway.kernel.syscalls import SystemCalls

__all__ = ["EventFd"]


class EventFd(Handle):
    """Not blocking: `drain` answers 0 where nothing was signalled."""

    def __init__(self, calls: SystemCalls, *, device: str | None = None) -> None:
        try:
            fd = calls.eventfd(os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError as error:
            raise KernelError("creating an eventfd", error.errno or 0, device=device) from error
        super().__init__(calls, fd, device=device)

    def signal(self) -> None:
        self.attempt("signalling an eventfd", lambda: self.calls.write(self.fd, (1).to_bytes(8, "little")))

    def drain(self) -> int:
        """How often it was signalled since the last drain."""
        try:
            return int.from_bytes(self.calls.read(self.fd, 8), "little")
        except BlockingIOError:
            return 0
        except OSError as error:
            raise KernelError("reading an eventfd", error.errno or 0, device=self.device) from error
