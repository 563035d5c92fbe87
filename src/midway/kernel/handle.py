# SPDX-License-Identifier: Apache-2.0
"""What all objects of the raw layer share: a file descriptor with an owner, and mapped memory."""

import mmap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from midway.errors import KernelError
from midway.kernel.syscalls import SystemCalls

__all__ = ["Handle", "Mapping"]

Result = TypeVar("Result")


class Handle:
    """An open file of the kernel; closing it twice is closing it once.  `device` is for messages."""

    def __init__(self, calls: SystemCalls, fd: int, *, device: str | None = None) -> None:
        self.calls = calls
        self.fd = fd
        self.device = device

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            self.calls.close(fd)

    @contextmanager
    def closing_on_failure(self) -> Iterator[None]:
        """For what a constructor does after opening: nobody could close the file if it fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return self.fd

    def ioctl(
        self,
        request: int,
        argument: int | bytearray = 0,
        *,
        attempted: str,
        remedy: str | None = None,
    ) -> int:
        """The ioctl's result; KernelError with `attempted` where it failed."""
        try:
            return self.calls.ioctl(self.fd, request, argument)
        except OSError as error:
            raise KernelError(attempted, error.errno or 0, device=self.device, remedy=remedy) from error

    def attempt(self, attempted: str, call: Callable[[], Result]) -> Result:
        """The result of any other system call; its OSError becomes a KernelError."""
        try:
            return call()
        except OSError as error:
            raise KernelError(attempted, error.errno or 0, device=self.device) from error


class Mapping:
    """Mapped memory: `address` in this process, `size` in bytes, `view` its bytes.  Unmapped by `close`."""

    def __init__(
        self,
        calls: SystemCalls,
        fd: int,
        size: int,
        *,
        offset: int = 0,
        flags: int = mmap.MAP_SHARED,
    ) -> None:
        """Raises OSError."""
        self._calls = calls
        self.size = size
        self.address = calls.mmap(
            fd, size, offset=offset, protection=mmap.PROT_READ | mmap.PROT_WRITE, flags=flags
        )
        self.view = calls.view(self.address, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.address:
            address, self.address = self.address, 0
            self.view.release()
            self._calls.munmap(address, self.size)
