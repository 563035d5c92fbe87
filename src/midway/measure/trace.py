# SPDX-License-Identifier: Apache-2.0
"""One line of a device in a running VM, recorded for a while and understood."""

import time
from dataclasses import dataclass
from typing import Any

from midway.config import InterruptMode
from midway.errors import DeviceError
from midway.host.interrupts import host_interrupt
from midway.host.sysfs import HostFiles
from midway.measure.exits import ExitCounts, classify, require_pairs
from midway.measure.trace_lives import Life, lives_of, typical
from midway.measure.tracefs import TRACEFS, TraceRecorder, line_events
from midway.vm.running import LineStatus, VmStatus, vm_with

__all__ = ["LineTrace", "record_line"]


@dataclass(frozen=True, slots=True)
class LineTrace:
    """What was recorded of a line in `seconds`: `irq` is the host's number, `lost` events had no room.

    `lives` is how many whole lives there are, `life` one that is like most of them.
    """

    device: str
    line: int
    spi: int
    irq: int
    mode: InterruptMode
    seconds: float
    counts: ExitCounts
    lost: int
    lives: int
    life: Life | None

    def as_json(self) -> dict[str, Any]:
        counts = self.counts
        return {
            "device": self.device,
            "line": self.line,
            "spi": self.spi,
            "irq": self.irq,
            "mode": str(self.mode),
            "seconds": round(self.seconds, 3),
            "interrupts": counts.interrupts,
            "raised": counts.raised,
            "lowered": counts.lowered,
            "exits": {
                "delivery": counts.delivery,
                "completion": counts.completion,
                "merged": counts.merged,
                "other": dict(counts.other.most_common()),
            },
            "exits_per_interrupt": {
                "delivery": round(counts.per_interrupt(counts.delivery), 3),
                "completion": round(counts.per_interrupt(counts.completion), 3),
                "other": round(counts.per_interrupt(counts.other.total()), 3),
            },
            "lives": self.lives,
            "lost": self.lost,
        }

    def __str__(self) -> str:
        """One line for a person."""
        counts = self.counts
        per = [
            f"{counts.per_interrupt(many):.2f} {name}"
            for name, many in (
                ("delivery", counts.delivery),
                ("completion", counts.completion),
                ("other", counts.other.total()),
            )
        ]
        lost = f"; {self.lost} events LOST, the buffer was full" if self.lost else ""
        return (
            f"{self.device} line {self.line} -> SPI {self.spi}, {self.mode}: {counts.interrupts} interrupts "
            f"in {self.seconds:.2f} s; exits for each: {', '.join(per)}{lost}"
        )


def record_line(device: str, number: int, seconds: float, files: HostFiles | None = None) -> LineTrace:
    """Record a line of a device that a running VM has, for so many seconds.

    Raises DeviceError when no VM has it or the line's mode changes meanwhile, HostError when entries or exits
    are missing of the recording, and what TraceRecorder raises.
    """
    files = files or HostFiles()
    vm, status = vm_with(device, files)
    line = _line(status, device, number)
    irq = host_interrupt(device, number, files)
    others = _other_threads(status, files) if (TRACEFS / "events/syscalls").is_dir() else ()
    with TraceRecorder(line_events(status.vcpus, [irq], [line.spi], others)) as recorder:
        began = time.monotonic()
        recorder.start()
        time.sleep(seconds)  # the recording's length, as the user asked for
        recorder.stop()
        took = time.monotonic() - began
        if _line(vm.status(), device, number).mode is not line.mode:
            raise DeviceError(
                f"tracing line {number}", device=device, answer="its mode was changed meanwhile"
            )
        events, lost = list(recorder.events()), recorder.lost()
    if not lost:
        require_pairs(events)
    lives = list(lives_of(events, line.spi, irq))
    return LineTrace(
        device=device,
        line=number,
        spi=line.spi,
        irq=irq,
        mode=line.mode,
        seconds=took,
        counts=classify(events, line.spi, irq),
        lost=lost,
        lives=len(lives),
        life=typical(lives),
    )


def _line(status: VmStatus, device: str, number: int) -> LineStatus:
    for line in status.lines_of(device):
        if line.line == number:
            return line
    raise DeviceError(f"tracing line {number}", device=device, answer="the VM has no such line")


def _other_threads(status: VmStatus, files: HostFiles) -> tuple[int, ...]:
    names = files.names(files.proc / str(status.pid) / "task")
    return tuple(int(name) for name in names if name.isdigit() and int(name) not in status.vcpus)
