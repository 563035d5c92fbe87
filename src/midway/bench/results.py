# SPDX-License-Identifier: Apache-2.0
"""Everything that a benchmark measured, as values and as the file results.json."""

from pathlib import Path
from typing import Any

import msgspec

from midway.errors import UsageError
from midway.output import replace_file

__all__ = ["FORMAT", "Counts", "CpuTime", "Machine", "Results", "Run", "ScaleRun", "VmmCost", "load", "save"]

FORMAT = "midway-bench/1"
_MOST = 64 << 20  # bytes; a thousand runs are below 1 MiB


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted while the load ran: true on an emulated board as well.

    `operations` is what the load did, in its own unit (transactions, kilobytes, copies, reads, packets).
    `host_interrupts` and `guest_interrupts` are of the device's lines.  A VMM may have the host take one
    interrupt of the device several times (it unmasks a line that is still asserted).  `exits` (by KVM's
    statistics) and `user_exits` are None where there is no guest; `exits_by_kind` has KVM's own names.
    `user_exits` are returns from the kernel to the VMM and trips of the VMM for an interrupt.
    `instructions` are all that the board executed, None unless its clock counts them.
    """

    operations: int
    host_interrupts: int
    guest_interrupts: int | None = None
    exits: int | None = None
    user_exits: int | None = None
    exits_by_kind: dict[str, int] = {}
    instructions: int | None = None

    @property
    def interrupts(self) -> int:
        """Those that the device's driver took: in the guest, or on the host where there is none.  What is
        measured for each interrupt is divided by these, which are the same work in every mode.
        """
        return self.host_interrupts if self.guest_interrupts is None else self.guest_interrupts

    @property
    def exits_per_interrupt(self) -> float | None:
        """None where exits were not counted or there was no interrupt."""
        return None if self.exits is None or not self.interrupts else self.exits / self.interrupts


class CpuTime(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of processor time while the load ran.  `host` is the whole host's busy time, `vmm` the VMM's in
    user space and in the kernel, `guest` what vCPUs spent inside the guest; None where there is no guest.
    """

    host: float
    vmm: float | None = None
    guest: float | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one workload in one mode.

    `mode` is ``native``, ``userspace``, ``irqfd``, ``forward`` or ``qemu``.  `repetition` counts from 1;
    `order` is the place of the run among all, from 0.  `rates` are by name with the unit at the name's end
    (``transactions_per_s``, ``latency_p99_us``, ``megabits_per_s``, ``interrupts_per_s``): on an emulated
    board they are a shape and nobody's hardware.
    """

    workload: str
    mode: str
    repetition: int
    order: int
    seconds: float
    rates: dict[str, float]
    counts: Counts
    cpu_time: CpuTime | None = None


class VmmCost(msgspec.Struct, frozen=True, kw_only=True):
    """What a VMM costs.  `vmm` is ``midway``, ``qemu`` or ``kvmtool``; `together` is how many ran at once.

    Seconds are from exec to the first KVM_RUN and to the guest's init; `memory` is the proportional set size
    of all its processes without the guest's RAM, in bytes, a VM; `disk` is in bytes, with all that it loads.
    """

    vmm: str
    device: str | None
    together: int
    repetition: int
    exec_to_first_instruction_s: float
    exec_to_init_s: float
    memory: int
    disk: int
    threads: int


class ScaleRun(msgspec.Struct, frozen=True, kw_only=True):
    """`guests` at once, each with `devices` of its own, all under the same load.

    Counts and `interrupts_per_s` are of all guests together; `memory` is bytes beside the RAM, a guest.
    """

    mode: str
    guests: int
    devices: int
    seconds: float
    interrupts_per_s: float
    memory: int
    counts: Counts


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured.  `versions` maps what took part (kernel, qemu, iperf3 …) to its version."""

    name: str
    emulated: bool
    processors: int
    memory_mb: int
    versions: dict[str, str]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """`command` is what made them, `begun` an ISO 8601 time, `took_s` how long all of it took."""

    format: str = FORMAT
    command: str
    begun: str
    took_s: float
    device: str
    machine: Machine
    runs: tuple[Run, ...] = ()
    vmm_costs: tuple[VmmCost, ...] = ()
    scale: tuple[ScaleRun, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        content: dict[str, Any] = msgspec.to_builtins(self)
        return content


def load(path: Path) -> Results:
    """Raises UsageError for a file that is not such results, or is larger than results can be."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
        if len(content) > _MOST:
            raise UsageError(f"reading {path}", answer=f"it is larger than {_MOST >> 20} MiB")
        results = msgspec.json.decode(content, type=Results)
    except OSError as error:
        raise UsageError(f"reading {path}", answer=error.strerror) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"reading {path}", answer=str(error), remedy="give a results.json") from error
    if results.format != FORMAT:
        raise UsageError(f"reading {path}", answer=f"its format is {results.format}, not {FORMAT}")
    return results


def save(results: Results, path: Path) -> None:
    """As a whole or not at all.  Raises MidwayError when the file cannot be written."""
    replace_file(path, msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
