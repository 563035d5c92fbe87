# SPDX-License-Identifier: Apache-2.0
"""Midway as the VMM of a benchmark: the command `midway run`, as a user would type it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from midway.bench.guest_process import GuestProcess
from midway.bench.vmm import ExactCounts, GuestSetup, RunningGuest
from midway.config import InterruptMode
from midway.errors import GuestError

__all__ = ["AFTER", "BEFORE", "MidwayVmm", "exact_counts"]

BEFORE, AFTER = 2, 3
"""The guest's marks around a load."""

_COMMAND = "import sys; from midway.cli import main; sys.exit(main())"
_MARK_EXIT = "mmio_exit_user"  # what the second mark itself is for KVM


@dataclass(frozen=True, slots=True)
class MidwayVmm:
    """The modes userspace, irqfd and forward."""

    interrupts: InterruptMode

    @property
    def mode(self) -> str:
        return str(self.interrupts)

    @contextmanager
    def start(self, setup: GuestSetup) -> Iterator[RunningGuest]:
        summary = setup.scratch / "summary.json"
        argv = [
            *(sys.executable, "-P", "-c", _COMMAND, "run"),  # -P: nothing from the current directory
            *("--kernel", str(setup.kernel), "--initrd", str(setup.initrd), "--append", setup.command_line),
            *("--memory", str(setup.memory), "--cpus", str(setup.cpus)),
            *("--device", f"{setup.device},irq={self.mode}", "--json", str(summary)),
        ]
        with GuestProcess(argv) as process:
            yield RunningGuest(process, exact=lambda: self._read(summary))

    def _read(self, path: Path) -> tuple[ExactCounts, ...]:
        try:
            summary = msgspec.json.decode(path.read_bytes())
            modes = {line["mode"] for line in summary["final"]["lines"]}
            found = exact_counts(summary)
        except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
            raise GuestError("reading the summary of midway run", answer=str(error)) from error
        if modes - {self.mode}:
            raise GuestError(
                "checking its mode",
                answer=f"an interrupt of the device was in mode {', '.join(sorted(modes - {self.mode}))}",
                remedy="leave out this mode; `midway explain` says why the device cannot have it",
            )
        return found


def exact_counts(summary: dict[str, Any]) -> tuple[ExactCounts, ...]:
    """One for each pair of the marks BEFORE and AFTER, in the guest's order."""
    intervals = summary["intervals"]
    found = []
    for (earlier, later), interval in zip(pairwise(summary["marks"]), intervals, strict=True):
        if (earlier["label"], later["label"]) != (BEFORE, AFTER):
            continue
        kinds = {name: count - _total(earlier).get(name, 0) for name, count in _total(later).items()}
        kinds[_MARK_EXIT] = kinds.get(_MARK_EXIT, 1) - 1
        found.append(ExactCounts(interval["exits"], interval["user_exits"], kinds))
    return tuple(found)


def _total(mark: dict[str, Any]) -> dict[str, int]:
    """KVM's statistics of all vCPUs that count exits by kind."""
    total: dict[str, int] = {}
    for vcpu in mark["vcpus"]:
        for name, count in vcpu["kvm"].items():
            if name.endswith(("_exit_stat", "_exits")) or name.startswith("mmio_exit_"):
                total[name] = total.get(name, 0) + count
    return total
