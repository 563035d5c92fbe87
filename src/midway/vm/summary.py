# SPDX-License-Identifier: Apache-2.0
"""What is left of a VM when it has ended."""

from itertools import pairwise
from typing import Any

import msgspec

from midway.findings import Finding
from midway.vm.marks import Snapshot, between
from midway.vm.outcome import Outcome

__all__ = ["DeviceUse", "RunSummary"]


class DeviceUse(msgspec.Struct, frozen=True):
    """How one device was connected: its DMA route, and how many regions were `mapped` or `trapped`."""

    name: str
    dma: str
    mapped: int
    trapped: int


class RunSummary(msgspec.Struct, frozen=True):
    """Seconds are of host time; `resident` is this process's memory beside the guest's RAM, in bytes.

    `exec_to_first_run` is from the making of this process to its first KVM_RUN, exact to 10 ms.
    `final` are the counters at the end, with label -1; `marks_not_kept` is how many marks there were beyond
    those that are kept.
    """

    outcome: Outcome
    exec_to_first_run: float
    ran: float
    resident: int
    guest_memory: int
    final: Snapshot
    marks: tuple[Snapshot, ...]
    devices: tuple[DeviceUse, ...]
    findings: tuple[Finding, ...]
    marks_not_kept: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome.end),
            "detail": self.outcome.detail,
            "exit_status": self.outcome.exit_status,
            "exec_to_first_run_s": round(self.exec_to_first_run, 3),
            "ran_s": round(self.ran, 3),
            "rss_mb": round(self.resident / 1e6, 1),
            "guest_memory_mb": self.guest_memory >> 20,
            "final": self.final.as_json(),
            "marks": [mark.as_json() for mark in self.marks],
            "marks_not_kept": self.marks_not_kept,
            "intervals": [
                {"from": earlier.label, "to": later.label, **msgspec.structs.asdict(between(earlier, later))}
                for earlier, later in pairwise(self.marks)
            ],
            "devices": [msgspec.structs.asdict(device) for device in self.devices],
            "findings": [finding.as_json() for finding in self.findings],
        }

    def __str__(self) -> str:
        """A few lines for a person, without the findings."""
        exits = sum(vcpu.kvm.get("exits", 0) for vcpu in self.final.vcpus)
        returns = sum(sum(vcpu.returns.values()) for vcpu in self.final.vcpus)
        lines = [
            f"{self.outcome} after {self.ran:.2f} s, begun {self.exec_to_first_run:.2f} s after exec",
            f"{exits} exits, {returns} to user space; {self.resident / 1e6:.1f} MB beside the guest's RAM",
        ]
        for line in self.final.lines:
            host = "uncounted" if line.host is None else str(line.host)
            lines.append(f"{line.device} line {line.line} -> SPI {line.spi}, {line.mode}: {host} interrupts")
        return "\n".join(lines)
