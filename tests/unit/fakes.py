# SPDX-License-Identifier: Apache-2.0
"""A kernel that answers as it is told: the system-call seam for unit tests."""

import errno
import os
from collections.abc import Callable, Sequence

Ioctl = Callable[[int, int | bytearray], int]


class FakeKernel:
    """Implements midway.kernel.syscalls.SystemCalls.

    `opens` maps paths to what opening answers: an fd number, or an OSError.  `ioctls` maps requests to
    handlers.
    `files` are texts of /proc and /sys.  `log` has every call that changes something, in order.
    """

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.opens: dict[str, int | OSError] = {}
        self.ioctls: dict[int, Ioctl] = {}
        self.files: dict[str, str] = {}
        self.contents: dict[int, bytes] = {}
        self.refused_maps: set[int] = set()
        self.open_fds: set[int] = set()
        self.mappings: dict[int, bytearray] = {}
        self._next_fd = 100
        self._next_address = 0x7000_0000_0000
        self._buffers: dict[int, bytearray] = {}

    def new_fd(self) -> int:
        self._next_fd += 1
        self.open_fds.add(self._next_fd)
        return self._next_fd

    def on(self, request: int, *answers: int | OSError) -> None:
        """Answer an ioctl with these results, one after the other; the last for ever."""
        left = list(answers)

        def handler(_: int, __: int | bytearray) -> int:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, OSError):
                raise answer
            return answer

        self.ioctls[request] = handler

    def fails(self, request: int, number: int) -> None:
        self.on(request, error(number))

    def buffer(self, address: int) -> bytearray:
        """The bytes behind an address that `address_of` gave."""
        return self._buffers[address]

    def requests(self) -> list[int]:
        return [int(str(call[2])) for call in self.log if call[0] == "ioctl"]

    def arguments(self, request: int) -> list[bytes | int]:
        found: list[bytes | int] = []
        for call in self.log:
            if call[0] == "ioctl" and call[2] == request:
                argument = call[3]
                assert isinstance(argument, bytes | int)
                found.append(argument)
        return found

    def open(self, path: str, flags: int) -> int:
        answer = self.opens.get(path, error(errno.ENOENT))
        if isinstance(answer, OSError):
            raise answer
        self.log.append(("open", path, flags))
        self.open_fds.add(answer)
        return answer

    def close(self, fd: int) -> None:
        self.open_fds.remove(fd)
        self.log.append(("close", fd))

    def ioctl(self, fd: int, request: int, argument: int | bytearray = 0) -> int:
        self.log.append(("ioctl", fd, request, argument if isinstance(argument, int) else bytes(argument)))
        handler = self.ioctls.get(request)
        return handler(fd, argument) if handler else 0

    def read(self, fd: int, size: int) -> bytes:
        data = self.contents.pop(fd, b"")
        if not data:
            raise error(errno.EAGAIN)
        return data[:size]

    def write(self, fd: int, data: bytes) -> int:
        self.log.append(("write", fd, data))
        return len(data)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        return self.contents.get(fd, b"")[offset : offset + size]

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        self.log.append(("pwrite", fd, bytes(data), offset))
        return len(data)

    def read_file(self, path: str) -> str:
        if path not in self.files:
            raise error(errno.ENOENT)
        return self.files[path]

    def eventfd(self, flags: int) -> int:
        del flags
        return self.new_fd()

    def memfd(self, name: str, flags: int, size: int) -> int:
        self.log.append(("memfd", name, flags, size))
        return self.new_fd()

    def fallocate(self, fd: int, size: int) -> None:
        if fd in self.refused_maps:
            raise error(errno.ENOSPC)
        self.log.append(("fallocate", fd, size))

    def mmap(self, fd: int, size: int, *, offset: int, protection: int, flags: int, address: int = 0) -> int:
        del protection
        if fd in self.refused_maps:
            raise error(errno.ENOMEM)
        self.log.append(("mmap", fd, size, offset, flags, address))
        if address:
            return address
        place, self._next_address = self._next_address, self._next_address + (size | 0xFFFFF) + 1
        self.mappings[place] = bytearray(min(size, 1 << 22))
        return place

    def munmap(self, address: int, size: int) -> None:
        self.log.append(("munmap", address, size))
        del self.mappings[address]

    def madvise(self, address: int, size: int, advice: int) -> None:
        self.log.append(("madvise", address, size, advice))

    def view(self, address: int, size: int) -> memoryview:
        base = max(start for start in self.mappings if start <= address)
        return memoryview(self.mappings[base])[address - base :][:size]

    def perf_event_open(self, attributes: bytearray, cpu: int, flags: int) -> int:
        self.log.append(("perf_event_open", bytes(attributes)))
        return self.open(f"cpu{cpu}", flags)

    def address_of(self, buffer: bytearray) -> int:
        address = 0x1000 + 16 * len(self._buffers)
        self._buffers[address] = buffer
        return address


def error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def words(data: bytes, *sizes: int) -> Sequence[int]:
    """Little-endian numbers of the given sizes in bytes, from the start of `data`."""
    values = []
    at = 0
    for size in sizes:
        values.append(int.from_bytes(data[at : at + size], "little"))
        at += size
    return values
