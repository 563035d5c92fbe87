# SPDX-License-Identifier: Apache-2.0
"""The kernel's tracer, in an instance of our own (Documentation/trace/ftrace.rst)."""

import errno
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from midway.errors import HostError, KernelError

__all__ = ["TRACEFS", "TraceInstance"]

TRACEFS = Path("/sys/kernel/tracing")
_BUFFER = 4096  # KiB for each CPU: about 40,000 events
_CLOCK = "mono"  # the same on all CPUs, unlike the default
_PREFIX = "midway-"
_LOST = re.compile(r"^(?:overrun|commit overrun|dropped events): (\d+)$", re.MULTILINE)


class TraceInstance:
    """A context manager: the instance is there while it lasts, and records between `start` and `stop`.

    `events` are the names of events with their filters, "" for all of it; `buffer` is in KiB for each CPU.
    When the buffer is full nothing more is recorded (but see `pipe`), so that what there is has no holes;
    `lost` counts the rest.  Raises HostError where the kernel has no tracer or not these events, and
    KernelError; at its end the latter only where nothing else was raised.
    """

    def __init__(self, events: Mapping[str, str], *, buffer: int = _BUFFER, tracefs: Path = TRACEFS) -> None:
        self._wanted = events
        self._buffer = buffer
        self._instances = tracefs / "instances"
        self._directory = self._instances / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
        self._files = ExitStack()

    def __enter__(self) -> Self:
        self._remove_stale()
        try:
            self._make()
            self._set("tracing_on", "0")
            self._set("buffer_size_kb", str(self._buffer))
            self._set("trace_clock", _CLOCK)
            self._set("options/overwrite", "0")
            for event, condition in self._wanted.items():
                self._enable(event, condition)
        except BaseException:
            # Making one takes so long that a signal which comes meanwhile is heard as soon as it is there.
            with suppress(FileNotFoundError):
                self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whoever was reading `lines` may be kept, with the open file, by the error's traceback.
        self._files.close()
        try:
            self._remove()
        except OSError as refused:
            if error is None:
                raise KernelError(
                    f"removing the tracer's instance {self._directory}",
                    refused.errno or 0,
                    remedy="the next recording removes it, unless somebody still reads it",
                ) from refused

    def start(self) -> None:
        self._set("tracing_on", "1")

    def stop(self) -> None:
        self._set("tracing_on", "0")

    def lines(self) -> Iterator[str]:
        """What was recorded, as the kernel prints it; in the order of time, once it was stopped."""
        with (self._directory / "trace").open(encoding="utf-8", errors="replace") as file:
            self._files.push(file)
            yield from file

    def pipe(self) -> int:
        """A new fd that gives the lines once, can be polled, and does not wait; the caller's to close.

        To be closed before the context ends.  From now on the oldest is lost when the buffer is full.
        """
        self._set("options/overwrite", "1")
        # Else whoever polls is told only when half of the buffer is full (buffer_percent).
        self._set("buffer_percent", "0")
        return os.open(self._directory / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def lost(self) -> int:
        """How many events there was no room for."""
        return sum(
            int(count)
            for statistics in self._directory.glob("per_cpu/cpu*/stats")
            for count in _LOST.findall(statistics.read_text())
        )

    def _make(self) -> None:
        try:
            self._directory.mkdir()
        except OSError as error:
            raise HostError(
                "recording with the kernel's tracer",
                answer=error.strerror,
                remedy="it needs root, and tracefs mounted at /sys/kernel/tracing",
            ) from error

    def _enable(self, event: str, condition: str) -> None:
        directory = self._directory / "events" / event
        if not directory.is_dir():
            raise HostError(f"recording {event}", answer="this kernel has no such trace event")
        if condition:
            self._set(f"events/{event}/filter", condition)
        self._set(f"events/{event}/enable", "1")

    def _set(self, name: str, value: str) -> None:
        try:
            descriptor = os.open(self._directory / name, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
            try:
                os.write(descriptor, value.encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            raise KernelError(f"setting the tracer's {name} to {value!r}", error.errno or 0) from error

    def _remove(self) -> None:
        """Removing the instance ends its recording."""
        self._directory.rmdir()

    def _remove_stale(self) -> None:
        """Instances of processes that were killed."""
        for instance in self._instances.glob(f"{_PREFIX}*-*"):
            owner = instance.name.removeprefix(_PREFIX).partition("-")[0]
            if owner.isdigit() and not _is_running(int(owner)):
                with suppress(OSError):  # somebody looks at it, or another was first
                    instance.rmdir()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno != errno.ESRCH
    return True
