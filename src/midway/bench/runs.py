# SPDX-License-Identifier: Apache-2.0
"""From what was seen of one load to a Run of the results."""

from midway.bench.counters import HostSnapshot, cpu_time
from midway.bench.results import Counts, Run
from midway.bench.vmm import ExactCounts
from midway.bench.window import Window

__all__ = ["as_run", "counted"]

_EXITS = "exits"  # KVM's name of all of them
_TO_USER = ("mmio_exit_user", "signal_exits")  # and of those that go to the VMM


def as_run(
    mode: str, repetition: int, window: Window, idle: Window | None = None, exact: ExactCounts | None = None
) -> Run:
    """`idle` is a window of the same guest without a load: what it has of KVM's counts and of instructions is
    what measuring costs, and taken off.  Raises HostError when the tool's output is not what it prints when
    it succeeds.
    """
    outcome = window.workload.parse(window.output)
    before, after = window.before, window.after
    guest = exact or (None if idle is None else counted(window, idle))
    instructions = _instructions(window)
    if instructions is not None and idle is not None:
        instructions = max(0, instructions - (_instructions(idle) or 0))
    seconds = after.seconds - before.seconds
    counts = Counts(
        operations=outcome.operations,
        host_interrupts=after.interrupts - before.interrupts,
        guest_interrupts=window.guest_interrupts,
        exits=guest.exits if guest else None,
        user_exits=guest.user_exits if guest else None,
        exits_by_kind=guest.exits_by_kind if guest else {},
        instructions=instructions,
    )
    return Run(
        workload=window.workload.name,
        mode=mode,
        repetition=repetition,
        order=0,
        seconds=round(seconds, 6),
        rates={**outcome.rates, "interrupts_per_s": counts.interrupts / window.seconds},
        counts=counts,
        cpu_time=cpu_time(before, after),
    )


def _instructions(window: Window) -> int | None:
    before, after = window.before.instructions, window.after.instructions
    return None if before is None or after is None else after - before


def counted(window: Window, idle: Window) -> ExactCounts | None:
    """By KVM's own statistics, less what the talk on the console and the measuring cost; None where KVM does
    not show them.
    """
    during, beside = _kvm(window.before, window.after), _kvm(idle.before, idle.after)
    if _EXITS not in during:
        return None
    kinds = {name: max(0, count - beside.get(name, 0)) for name, count in during.items()}
    exits = kinds.pop(_EXITS)
    return ExactCounts(exits, sum(kinds.get(name, 0) for name in _TO_USER), kinds)


def _kvm(before: HostSnapshot, after: HostSnapshot) -> dict[str, int]:
    return {name: count - before.kvm.get(name, 0) for name, count in after.kvm.items()}
