# SPDX-License-Identifier: Apache-2.0
"""Which process has which device file open, as /proc shows it."""

from functools import cached_property
from pathlib import Path

import msgspec

from midway.host.sysfs import HostFiles

__all__ = ["OpenFiles", "Process"]


class Process(msgspec.Struct, frozen=True):
    """`name` is the command's, as in /proc/PID/comm."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


class OpenFiles:
    """A snapshot of the device files that processes have open; taken once, when it is first asked."""

    def __init__(self, files: HostFiles) -> None:
        self._files = files

    def users(self, path: Path) -> tuple[Process, ...]:
        """The processes that have `path` (below /dev) open, in order of their pid."""
        key = str(Path("/") / path.relative_to(self._files.root))
        return self._by_path.get(key, ())

    @cached_property
    def _by_path(self) -> dict[str, tuple[Process, ...]]:
        found: dict[str, dict[int, Process]] = {}
        for pid in self._processes():
            directory = self._files.proc / str(pid)
            process: Process | None = None
            for target in self._device_files(directory / "fd"):
                process = process or Process(pid, self._files.text(directory / "comm", 256) or "?")
                found.setdefault(target, {})[pid] = process
        return {path: tuple(users.values()) for path, users in found.items()}

    def _processes(self) -> list[int]:
        names = self._files.names(self._files.proc)
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def _device_files(self, directory: Path) -> set[str]:
        targets = set()
        for name in self._files.names(directory):
            try:
                target = str((directory / name).readlink())
            except OSError:
                continue  # closed meanwhile
            if target.startswith("/dev/"):
                targets.add(target)
        return targets
