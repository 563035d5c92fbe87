# SPDX-License-Identifier: Apache-2.0
"""What one interrupt costs in each mode, and whether two ways of counting agree."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from midway.measure.exits import ExitCounts

__all__ = ["AGREEMENT", "SAVING", "Agreement", "ModeCost", "agreement", "mode_cost", "saved_exits"]

AGREEMENT = 0.05  # how far the two ways of counting may be apart, as a share
SAVING = 0.95  # how many exits per interrupt forwarding is to save at least


class ModeCost(NamedTuple):
    """One run in one mode.  All but `mode`, `host`, `guest` and `device` are per interrupt of the host.

    `host` interrupts are the driver's count, `guest` the guest's own, `device` what the device did (answers,
    copies).  `exits` are by KVM's statistics; `delivery`, `completion` and `other` (by reason) are by the
    kernel's trace.  `user_exits` are trips to user space that the interrupt caused; accesses to trapped
    registers are not the interrupt's.  `instructions` are all that the board executed, None where they were
    not counted.  Without a trace `delivery` and `completion` are None, and `other` is empty.
    """

    mode: str
    host: int
    guest: int
    device: int
    exits: float
    user_exits: float
    delivery: float | None
    completion: float | None
    other: dict[str, float]
    instructions: float | None = None


class Agreement(NamedTuple):
    """How many exits more one mode has than another: by KVM's statistics, and by all classes of the trace."""

    mode: str
    than: str
    by_statistics: float
    by_trace: float

    @property
    def holds(self) -> bool:
        return abs(self.by_statistics - self.by_trace) <= AGREEMENT * abs(self.by_statistics)


def mode_cost(
    mode: str, traffic: Mapping[str, Any], counts: ExitCounts | None, *, guest: int, device: int
) -> ModeCost:
    """From a run's interval between the marks around the load, and the trace of it if there is one.

    `guest` and `device` are their own counts over the same interval.
    """
    host = traffic["interrupts"]
    return ModeCost(
        mode=mode,
        host=host,
        guest=guest,
        device=device,
        exits=traffic["exits"] / host,
        user_exits=traffic["wakeups"] / host,
        delivery=None if counts is None else counts.delivery / host,
        completion=None if counts is None else counts.completion / host,
        other={}
        if counts is None
        else {reason: many / host for reason, many in sorted(counts.other.items())},
    )


def agreement(costs: Sequence[ModeCost]) -> list[Agreement]:
    """Each traced mode against the one with the fewest exits."""
    traced = [cost for cost in costs if cost.delivery is not None]
    if not traced:
        return []
    least = min(traced, key=lambda cost: cost.exits)

    def classified(cost: ModeCost) -> float:
        return (cost.delivery or 0) + (cost.completion or 0) + sum(cost.other.values())

    return [
        Agreement(cost.mode, least.mode, cost.exits - least.exits, classified(cost) - classified(least))
        for cost in traced
        if cost is not least
    ]


def saved_exits(costs: Sequence[ModeCost]) -> float | None:
    """How many exits less an interrupt has in mode forward than in irqfd, by KVM's statistics of all exits.

    None where one of the two was not measured.
    """
    exits = {cost.mode: cost.exits for cost in costs}
    if "forward" not in exits or "irqfd" not in exits:
        return None
    return exits["irqfd"] - exits["forward"]
