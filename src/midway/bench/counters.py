# SPDX-License-Identifier: Apache-2.0
"""What the host counts while a load runs, for every VMM and for none in the same way."""

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from midway.bench.results import CpuTime
from midway.errors import HostError, KernelError
from midway.host.sysfs import HostFiles
from midway.kernel.instructions import InstructionCounters
from midway.kernel.syscalls import Linux

__all__ = ["HostCounters", "HostSnapshot", "cpu_time"]

_LARGEST = 1 << 20
# Where /proc/PID/stat has them, after the parenthesis that ends the name (proc(5))
_USER, _SYSTEM, _GUEST = 11, 12, 40
_BUSY = (0, 1, 2, 5, 6)  # of /proc/stat: user (with guests), nice, system, interrupts, soft interrupts


@dataclass(frozen=True, slots=True)
class HostSnapshot:
    """`seconds` of a clock that only goes on; `busy`, `vmm` and `guest` are seconds of processor time.

    `kvm` are KVM's statistics of the VM, all vCPUs together, by KVM's names; empty where they are not shown.
    """

    seconds: float
    interrupts: int
    busy: float
    vmm: float | None
    guest: float | None
    kvm: dict[str, int] = field(default_factory=dict)
    instructions: int | None = None


class HostCounters:
    """`lines` are INTIDs of the device; `shares_counter` says that each processor's counter of instructions
    counts those of all, as an emulated board's does.

    Instructions are counted while the context lasts, where the host can.
    """

    def __init__(
        self, lines: tuple[int, ...], files: HostFiles | None = None, *, shares_counter: bool = False
    ) -> None:
        self._files = files or HostFiles()
        self._lines = lines
        self._shares = shares_counter
        self._ticks = os.sysconf("SC_CLK_TCK")
        self._resources = ExitStack()
        self._instructions: InstructionCounters | None = None

    def __enter__(self) -> Self:
        try:
            self._instructions = self._resources.enter_context(InstructionCounters(Linux()))
        except KernelError:
            self._instructions = None  # what is not counted is None in the results
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def snapshot(self, pid: int | None = None) -> HostSnapshot:
        """Now; `pid` is the VMM's, None where there is none."""
        vmm, guest = self._process(pid) if pid is not None else (None, None)
        return HostSnapshot(
            seconds=time.monotonic(),
            interrupts=self._interrupts(),
            busy=self._busy(),
            vmm=vmm,
            guest=guest,
            kvm=self._kvm(pid) if pid is not None else {},
            instructions=self._executed(),
        )

    def _interrupts(self) -> int:
        """Of all lines; the kernel's numbers of them may change while the device changes hands."""
        irqs = self._files.sys / "kernel" / "irq"
        total = 0
        for irq in self._files.names(irqs):
            chip = self._files.text(irqs / irq / "chip_name") or ""
            if chip.startswith("GIC") and self._files.number(irqs / irq / "hwirq") in self._lines:
                counts = self._files.text(irqs / irq / "per_cpu_count", _LARGEST) or "0"
                total += sum(map(int, counts.split(",")))
        return total

    def _busy(self) -> float:
        first = (self._files.text(self._files.proc / "stat", _LARGEST) or "").partition("\n")[0]
        fields = [int(word) for word in first.split()[1:]]
        if len(fields) <= max(_BUSY):
            raise HostError("reading the host's processor time", answer=f"/proc/stat begins with {first!r}")
        return sum(fields[at] for at in _BUSY) / self._ticks

    def _process(self, pid: int) -> tuple[float, float]:
        text = self._files.text(self._files.proc / str(pid) / "stat") or ""
        fields = text.rpartition(")")[2].split()
        if len(fields) <= _GUEST:
            raise HostError(f"reading the processor time of process {pid}", answer="it is gone")
        user, system, guest = (int(fields[at]) / self._ticks for at in (_USER, _SYSTEM, _GUEST))
        return user + system - guest, guest

    def _kvm(self, pid: int) -> dict[str, int]:
        """From debugfs, where KVM has a directory PID-FD for each VM."""
        directory = self._files.sys / "kernel" / "debug" / "kvm"
        counts: dict[str, int] = {}
        for vm in self._files.names(directory):
            if not vm.startswith(f"{pid}-"):
                continue
            for name in filter(_is_exit, self._files.names(directory / vm)):
                number = self._files.number(directory / vm / name)
                if number is not None:
                    counts[name] = counts.get(name, 0) + number
        return counts

    def _executed(self) -> int | None:
        if self._instructions is None:
            return None
        counts = self._instructions.read()
        return counts[0] if self._shares else sum(counts)


def _is_exit(name: str) -> bool:
    return (
        name == "exits"
        or name.endswith("_exit_stat")
        or name.startswith("mmio_exit_")
        or name == "signal_exits"
    )


def cpu_time(before: HostSnapshot, after: HostSnapshot) -> CpuTime:
    """Between two snapshots of the same process."""

    def difference(earlier: float | None, later: float | None) -> float | None:
        # The guest's time is read in ticks of its own: what is left for the VMM can be one too few.
        return None if earlier is None or later is None else max(0.0, round(later - earlier, 6))

    return CpuTime(
        host=round(after.busy - before.busy, 6),
        vmm=difference(before.vmm, after.vmm),
        guest=difference(before.guest, after.guest),
    )
