# SPDX-License-Identifier: Apache-2.0
"""Counters at moments that the guest chooses: it writes a byte to a register, and everything is recorded.

A guest that marks before and after some work, and knows how many interrupts that took, has the exits of one
interrupt from the difference.
"""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from midway.findings import Finding, Severity

__all__ = ["Interval", "LineCount", "MarksRegister", "Snapshot", "VcpuCount", "between"]

# A mark takes 1.6 kB with one vCPU and 10 kB with eight: these stay well below what Midway may take of the
# host's memory, and no measurement needs as many.
_KEPT = 1024


class VcpuCount(msgspec.Struct, frozen=True):
    """`kvm` are KVM's own statistics by name; `returns` why KVM_RUN came back to this process, by reason."""

    vcpu: int
    kvm: dict[str, int]
    returns: dict[str, int]


class LineCount(msgspec.Struct, frozen=True):
    """`host`: interrupts the host took, None where nothing counts them; `handled`: those that woke Midway.

    `forwarded`: those that went straight into the guest's GIC, None where the driver cannot.
    """

    device: str
    line: int
    spi: int
    mode: str
    host: int | None
    handled: int
    forwarded: int | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """`seconds` since the guest's first instruction, host time; `label` is the byte that was written.

    `instructions` are those of each of the host's processors, where they are counted.
    """

    label: int
    seconds: float
    vcpus: tuple[VcpuCount, ...]
    lines: tuple[LineCount, ...]
    instructions: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "seconds": round(self.seconds, 6),
            "vcpus": [msgspec.structs.asdict(vcpu) for vcpu in self.vcpus],
            "lines": [msgspec.structs.asdict(line) for line in self.lines],
            "instructions": list(self.instructions),
        }


class Interval(msgspec.Struct, frozen=True):
    """Between two marks: seconds, exits from the guest, trips to user space, and interrupts of all lines.

    A trip to user space is a KVM_RUN that returned, or one of the `wakeups`: interrupts that woke Midway.
    The second mark is itself one exit and one trip; both are left out.  `instructions` are by host processor.
    """

    seconds: float
    exits: int
    user_exits: int
    wakeups: int
    interrupts: int
    instructions: tuple[int, ...] = ()


def between(earlier: Snapshot, later: Snapshot) -> Interval:
    def exits(snapshot: Snapshot) -> int:
        return sum(vcpu.kvm.get("exits", 0) for vcpu in snapshot.vcpus)

    def returns(snapshot: Snapshot) -> int:
        return sum(sum(vcpu.returns.values()) for vcpu in snapshot.vcpus)

    def handled(snapshot: Snapshot) -> int:
        return sum(line.handled for line in snapshot.lines)

    def interrupts(snapshot: Snapshot) -> int:
        return sum(line.host or 0 for line in snapshot.lines)

    wakeups = handled(later) - handled(earlier)
    return Interval(
        seconds=later.seconds - earlier.seconds,
        exits=exits(later) - exits(earlier) - 1,
        user_exits=returns(later) - returns(earlier) - 1 + wakeups,
        wakeups=wakeups,
        interrupts=interrupts(later) - interrupts(earlier),
        instructions=tuple(
            after - before for before, after in zip(earlier.instructions, later.instructions, strict=True)
        ),
    )


class MarksRegister:
    """Every write's first byte is a mark's label; reads give how many marks there are, up to 255.

    Only so many are kept, the first, that a guest cannot take the host's memory; `not_kept` counts the rest.
    """

    def __init__(self, record: Callable[[int], Snapshot]) -> None:
        self._record = record
        self._lock = threading.Lock()
        self.snapshots: list[Snapshot] = []
        self.not_kept = 0

    def findings(self) -> tuple[Finding, ...]:
        """That marks were not kept, where so."""
        if not self.not_kept:
            return ()
        return (
            Finding(
                code="marks-not-kept",
                severity=Severity.NOTE,
                subject="guest",
                cause=f"{self.not_kept} of its marks were not recorded, only the first {_KEPT}",
                remedy="mark less often, or end the guest and run it again",
            ),
        )

    def read(self, offset: int, size: int) -> bytes:
        return (min(len(self.snapshots), 255) if offset == 0 else 0).to_bytes(size, "little")

    def write(self, offset: int, data: bytes) -> None:
        if offset != 0:
            return
        with self._lock:
            if len(self.snapshots) < _KEPT:
                self.snapshots.append(self._record(data[0]))
            else:
                self.not_kept += 1
