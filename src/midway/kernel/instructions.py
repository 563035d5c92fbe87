# SPDX-License-Identifier: Apache-2.0
"""How many instructions the host's processors have executed, guests and hypervisor included."""

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from midway.errors import KernelError
from midway.kernel.syscalls import SystemCalls
from midway.uapi import perf_event

__all__ = ["InstructionCounters"]

_ONLINE = "/sys/devices/system/cpu/online"


class InstructionCounters:
    """One counter per online processor, running while the context lasts.

    Entering raises KernelError where there is no such counter (ENOENT) or no privilege (EACCES).
    """

    def __init__(self, calls: SystemCalls) -> None:
        self._calls = calls
        self._resources = ExitStack()
        self._fds: list[int] = []

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            for cpu in self._online():
                fd = self._open(cpu)
                resources.callback(self._calls.close, fd)
                self._fds.append(fd)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def read(self) -> tuple[int, ...]:
        """Instructions since the start, by processor."""
        return tuple(int.from_bytes(self._calls.read(fd, 8), "little") for fd in self._fds)

    def _online(self) -> Iterator[int]:
        """Of the host, also where this process may not run (Documentation/admin-guide/cputopology.rst)."""
        try:
            ranges = self._calls.read_file(_ONLINE).split(",")
        except OSError as error:
            raise KernelError(f"reading {_ONLINE}", error.errno or 0) from error
        for first, _, last in (text.strip().partition("-") for text in ranges):
            yield from range(int(first), int(last or first) + 1)

    def _open(self, cpu: int) -> int:
        attributes = bytearray(perf_event.PERF_ATTR_SIZE_VER0)
        layout = perf_event.perf_event_attr
        layout.put(attributes, "type", perf_event.PERF_TYPE_HARDWARE)
        layout.put(attributes, "size", len(attributes))
        layout.put(attributes, "config", perf_event.PERF_COUNT_HW_INSTRUCTIONS)
        try:
            return self._calls.perf_event_open(attributes, cpu, perf_event.PERF_FLAG_FD_CLOEXEC)
        except OSError as error:
            raise KernelError(
                f"counting the instructions of CPU {cpu}",
                error.errno or 0,
                remedy="the host needs a performance monitoring unit, and root",
            ) from error
