# SPDX-License-Identifier: Apache-2.0
"""One load on the device, seen from the host."""

from dataclasses import dataclass

from midway.bench.counters import HostSnapshot
from midway.bench.workloads import Target, Workload

__all__ = ["Window", "patience"]

_SLACK = 120.0  # seconds; on an emulated board everything but the load itself takes long


@dataclass(frozen=True, slots=True)
class Window:
    """One load of `seconds`: what its tool said, and the host's counters before and after.

    Between these is also what it takes to start the tool, and in a guest to see that its device is quiet.
    """

    workload: Workload
    seconds: float
    output: str
    before: HostSnapshot
    after: HostSnapshot
    guest_interrupts: int | None = None


def patience(target: Target) -> float:
    """Seconds after which a load is given up."""
    return target.seconds * 4 + _SLACK
