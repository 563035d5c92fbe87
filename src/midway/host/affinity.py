# SPDX-License-Identifier: Apache-2.0
"""Where the host's threads and interrupts run (Documentation/core-api/irq/irq-affinity.rst)."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from midway.errors import HostError, KernelError
from midway.host.sysfs import HostFiles

__all__ = ["HostInterrupt", "check_pins", "pin_thread"]


def check_pins(pins: Sequence[int]) -> None:
    """HostError when this process may not run on one of the host's CPUs that are named."""
    allowed = os.sched_getaffinity(0)
    for cpu in pins:
        if cpu not in allowed:
            have = ", ".join(map(str, sorted(allowed)))
            raise HostError(f"pinning a vCPU to CPU {cpu}", answer=f"this process may run on {have}")


def pin_thread(cpu: int) -> None:
    """Let the calling thread run on one CPU of the host only.  Raises KernelError."""
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        raise KernelError(f"pinning a vCPU to CPU {cpu}", error.errno or 0) from error


class HostInterrupt:
    """On which CPU the host takes one interrupt; at the end of the context it is where it was before."""

    def __init__(self, irq: int, device: str, files: HostFiles) -> None:
        self._files = files
        self._device = device
        self._path = files.proc / "irq" / str(irq) / "smp_affinity_list"
        self._before = ""
        self.irq = irq
        self.cpu: int | None = None

    def __enter__(self) -> Self:
        before = self._files.text(self._path)
        if before is None:
            raise HostError(f"reading where interrupt {self.irq} goes", answer=f"there is no {self._path}")
        self._before = before
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.cpu is not None:
            self._write(self._before)

    def move(self, cpu: int) -> None:
        """Raises KernelError when the host does not move it there."""
        if cpu != self.cpu:
            self._write(str(cpu))
            self.cpu = cpu

    def _write(self, cpus: str) -> None:
        attempted = f"moving interrupt {self.irq} to CPU {cpus}"
        self._files.write(self._path, cpus, attempted, self._device)
