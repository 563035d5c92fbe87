# SPDX-License-Identifier: Apache-2.0
"""The seam between Midway and the kernel: every system call the raw layer makes goes through it.

`SystemCalls` says what is needed, `Linux` is the kernel, and unit tests bring a fake of their own.
All raise OSError.
"""

import ctypes
import fcntl
import os
from typing import Protocol

from midway.uapi import syscall_arm64

__all__ = ["Linux", "SystemCalls"]

_MAP_FAILED = ctypes.c_void_p(-1).value


class SystemCalls(Protocol):
    """Linux's own calls, no more; `Linux` makes them."""

    def open(self, path: str, flags: int) -> int: ...

    def close(self, fd: int) -> None: ...

    def ioctl(self, fd: int, request: int, argument: int | bytearray = 0) -> int:
        """The call's own result; what the kernel writes lands in a bytearray argument."""
        ...

    def read(self, fd: int, size: int) -> bytes: ...

    def write(self, fd: int, data: bytes) -> int: ...

    def pread(self, fd: int, size: int, offset: int) -> bytes: ...

    def pwrite(self, fd: int, data: bytes, offset: int) -> int: ...

    def read_file(self, path: str) -> str:
        """The text of a small file of /sys or /proc."""
        ...

    def eventfd(self, flags: int) -> int: ...

    def memfd(self, name: str, flags: int, size: int) -> int:
        """A memory file of `size` bytes."""
        ...

    def fallocate(self, fd: int, size: int) -> None:
        """Give a file its first `size` bytes of memory; other threads run meanwhile."""
        ...

    def mmap(self, fd: int, size: int, *, offset: int, protection: int, flags: int, address: int = 0) -> int:
        """The address of the new mapping; fd -1 for anonymous memory."""
        ...

    def munmap(self, address: int, size: int) -> None: ...

    def madvise(self, address: int, size: int, advice: int) -> None: ...

    def view(self, address: int, size: int) -> memoryview:
        """Mapped memory as writable bytes; never to be touched after it was unmapped."""
        ...

    def perf_event_open(self, attributes: bytearray, cpu: int, flags: int) -> int:
        """A counter of everything that runs on one processor."""
        ...

    def address_of(self, buffer: bytearray) -> int:
        """Where the bytes are, for structures that hold pointers; valid until the buffer is resized."""
        ...


class Linux:
    """The running kernel."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None, use_errno=True)
        size, offset, number = ctypes.c_size_t, ctypes.c_int64, ctypes.c_int
        self._mmap = library.mmap
        self._mmap.restype = ctypes.c_void_p
        self._mmap.argtypes = (ctypes.c_void_p, size, number, number, number, offset)
        self._munmap = library.munmap
        self._munmap.argtypes = (ctypes.c_void_p, size)
        self._syscall = library.syscall
        self._syscall.restype = ctypes.c_long
        self._madvise = library.madvise
        self._madvise.argtypes = (ctypes.c_void_p, size, number)

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags)

    def close(self, fd: int) -> None:
        os.close(fd)

    def ioctl(self, fd: int, request: int, argument: int | bytearray = 0) -> int:
        return fcntl.ioctl(fd, request, argument)

    def read(self, fd: int, size: int) -> bytes:
        return os.read(fd, size)

    def write(self, fd: int, data: bytes) -> int:
        return os.write(fd, data)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return os.pread(fd, size, offset)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def read_file(self, path: str) -> str:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
            return file.read()

    def eventfd(self, flags: int) -> int:
        return os.eventfd(0, flags)

    def memfd(self, name: str, flags: int, size: int) -> int:
        fd = os.memfd_create(name, flags)
        try:
            os.ftruncate(fd, size)
        except OSError:
            os.close(fd)
            raise
        return fd

    def fallocate(self, fd: int, size: int) -> None:
        os.posix_fallocate(fd, 0, size)

    def mmap(self, fd: int, size: int, *, offset: int, protection: int, flags: int, address: int = 0) -> int:
        result: int | None = self._mmap(address, size, protection, flags, fd, offset)
        if result is None or result == _MAP_FAILED:
            raise _last_error()
        return result

    def munmap(self, address: int, size: int) -> None:
        if self._munmap(address, size):
            raise _last_error()

    def madvise(self, address: int, size: int, advice: int) -> None:
        if self._madvise(address, size, advice):
            raise _last_error()

    def view(self, address: int, size: int) -> memoryview:
        return memoryview((ctypes.c_char * size).from_address(address)).cast("B")

    def perf_event_open(self, attributes: bytearray, cpu: int, flags: int) -> int:
        everyone, no_leader = -1, -1
        address = ctypes.c_void_p(self.address_of(attributes))
        fd: int = self._syscall(syscall_arm64.SYS_perf_event_open, address, everyone, cpu, no_leader, flags)
        if fd < 0:
            raise _last_error()
        return fd

    def address_of(self, buffer: bytearray) -> int:
        return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
