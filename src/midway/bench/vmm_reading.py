# SPDX-License-Identifier: Apache-2.0
"""What a VMM costs, read from texts about it: the kernel's trace, its mappings, the files it opened."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from midway.bench.guest_process import TIED
from midway.measure.trace_events import KVM_ENTRY, TraceEvent

__all__ = ["Moments", "files_loaded", "interpreter", "memory_beside", "moments"]

_EXEC = "sched_process_exec"
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")
_OPENED = re.compile(r"\b(?:openat|execve)\((?:[^\"]*)\"([^\"]+)\".*\) += \d+$")
_BEGUN = re.compile(r"(\d+) (.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"(\d+) <\.\.\. \w+ resumed>(.*)$")
# What lies there is the kernel's or was made by this run: none of it is installed with a VMM.
_NOT_INSTALLED = ("/proc", "/sys", "/dev", "/run", "/tmp", "/var")  # noqa: S108 - only compared with


class Moments(NamedTuple):
    """Seconds of the trace's clock: a process' first exec after that of what ties it to us, and when any of
    its threads first entered a guest.

    `entered` is None where none did.
    """

    executed: float
    entered: float | None


def moments(events: Iterable[TraceEvent], tasks: Mapping[int, Collection[int]]) -> dict[int, Moments]:
    """The moments of some processes, from a trace with sched_process_exec and kvm_entry.

    `tasks` are the ids of each process' threads by its pid.  A process that the trace does not show being
    executed is left out.
    """
    owners = {task: pid for pid, threads in tasks.items() for task in threads}
    executed: dict[int, float] = {}
    entered: dict[int, float] = {}
    for event in events:
        if event.name == _EXEC and event.number("pid") in tasks:
            if PurePosixPath(event.fields.get("filename", "")).name != TIED[0]:
                executed.setdefault(event.number("pid"), event.seconds)
        elif event.name == KVM_ENTRY and event.task in owners:
            entered.setdefault(owners[event.task], event.seconds)
    return {pid: Moments(seconds, entered.get(pid)) for pid, seconds in executed.items()}


def memory_beside(smaps: str, ram: int) -> int:
    """The proportional set size in bytes of all mappings in /proc/PID/smaps but the guest's RAM.

    That is each mapping of at least half of its `ram` bytes: no VMM maps anything else of that size, and a
    guest this small has its RAM in one bank.
    """
    total = 0
    counted = False
    for line in smaps.splitlines():
        header = _MAPPING.match(line)
        if header is not None:
            counted = int(header[2], 16) - int(header[1], 16) < ram // 2
        elif counted and line.startswith("Pss:"):
            total += int(line.split()[1]) * 1024
    return total


def files_loaded(strace: str, images: Collection[str]) -> tuple[str, ...]:
    """The installed files that a traced process executed or opened: programs, libraries, byte code, firmware.

    Without the guest's `images`, what is in no installation, and what was refused.  `strace` is the output of
    ``strace -f -e trace=execve,openat``.
    """
    found = set()
    for line in _whole(strace.splitlines()):
        opened = _OPENED.search(line)
        if opened is None or "O_DIRECTORY" in line or opened[1] in images:
            continue
        path = PurePosixPath(opened[1])
        if path.is_absolute() and not any(path.is_relative_to(place) for place in _NOT_INSTALLED):
            found.add(opened[1])
    return tuple(sorted(found))


def _whole(lines: Iterable[str]) -> Iterator[str]:
    """The calls, those in one piece that strace printed in two because another thread's came between."""
    begun: dict[str, str] = {}
    for line in lines:
        if started := _BEGUN.match(line):
            begun[started[1]] = started[2]
        elif resumed := _RESUMED.match(line):
            yield begun.pop(resumed[1], "") + resumed[2]
        else:
            yield line


def interpreter(beginning: bytes) -> str | None:
    """The program that the kernel runs for a file that begins so, if it is a script (execve(2))."""
    if not beginning.startswith(b"#!"):
        return None
    words = beginning[2:].partition(b"\n")[0].split()
    return os.fsdecode(words[0]) if words else None
