# SPDX-License-Identifier: Apache-2.0
"""A VMM as a process that is measured from outside, in the same way whatever it is."""

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from midway.bench.guest_process import TIED
from midway.bench.vmm_guest import INIT_SAID, RAM
from midway.bench.vmm_reading import memory_beside
from midway.errors import HostError

__all__ = ["MeasuredVmm", "Sample", "wait_for_inits"]

_PATIENCE = 300.0  # seconds for a guest to come up or to end; emulated boards are slow
_MOST_SAID = 1 << 16
_CHUNK = 4096


class Sample(NamedTuple):
    """The threads of all its processes, and their memory beside the guest's RAM in bytes."""

    tasks: tuple[int, ...]
    memory: int


class MeasuredVmm:
    """A VMM with its guest, until the context ends or this process does; nothing of it is left then.

    `said` is when the guest's init was heard, in seconds of CLOCK_MONOTONIC; 0 until then.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv
        self._output = b""
        self.said = 0.0

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._errors = tempfile.TemporaryFile()
        try:
            self._process = subprocess.Popen(
                (*TIED, *self._argv), stdin=pipe, stdout=pipe, stderr=self._errors
            )
        except OSError as error:
            self._errors.close()
            raise HostError(f"starting {TIED[0]}", answer=error.strerror) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What strace runs outlives it when it is killed; told to end, it takes that along.
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE / 10)
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Its standard output, for poll."""
        if self._process.stdout is None:
            raise ValueError("its output is not piped")
        return self._process.stdout.fileno()

    def hear(self) -> None:
        """Take what it says.  Raises HostError when it ends, or says much, before the guest's init."""
        data = os.read(self.fileno(), _CHUNK)
        now = time.monotonic()
        self._output += data
        if INIT_SAID in self._output:
            self.said = now
        elif not data or len(self._output) > _MOST_SAID:
            raise self.failure("waiting for the init of its guest")

    def sample(self) -> Sample:
        """What it has now."""
        tasks: list[int] = []
        memory = 0
        for pid in self._processes():
            tasks += (int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
            memory += memory_beside(Path(f"/proc/{pid}/smaps").read_text(), RAM)
        return Sample(tuple(tasks), memory)

    def finish(self) -> None:
        """Let the guest power off.  Raises HostError when it does not, or the VMM fails."""
        try:
            self._process.communicate(b"\n", timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise self.failure("waiting for the end of its guest") from error
        if self._process.returncode:
            raise self.failure("ending its guest")

    def failure(self, attempted: str) -> HostError:
        """The error for what it did not do, with its last words."""
        self._errors.seek(0)
        said = (self._output[-300:] + self._errors.read()[-600:]).decode(errors="replace").strip()
        return HostError(f"{self._argv[0]}: {attempted}", answer=said or "it said nothing")

    def _processes(self) -> list[int]:
        """It and its children, and theirs."""
        found = [self.pid]
        for pid in found:  # grows while it is gone through
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        return found


def wait_for_inits(running: Sequence[MeasuredVmm]) -> None:
    """Until every guest's init was heard.  Raises HostError when one ends before, or takes too long."""
    poll = select.poll()
    waiting = {vmm.fileno(): vmm for vmm in running}
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    deadline = time.monotonic() + _PATIENCE
    while waiting:
        ready = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
        if not ready:
            raise next(iter(waiting.values())).failure("waiting for the init of its guest: too slow")
        for descriptor, _ in ready:
            waiting[descriptor].hear()
            if waiting[descriptor].said:
                poll.unregister(descriptor)
                del waiting[descriptor]
