# SPDX-License-Identifier: Apache-2.0
"""Costs of several VMMs set beside each other."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from midway.bench.results import VmmCost

__all__ = ["MEASURES", "Comparison", "compare"]

MEASURES = ("exec_to_first_instruction_s", "exec_to_init_s", "memory", "disk", "threads")
"""The fields of VmmCost that are costs."""


class Comparison(NamedTuple):
    """One cost of `together` VMs at once: the medians of Midway and of another VMM, in its own unit."""

    vmm: str
    together: int
    measure: str
    midway: float
    other: float

    @property
    def ratio(self) -> float:
        """What part of the other's it is."""
        return self.midway / self.other


def compare(costs: Sequence[VmmCost]) -> tuple[Comparison, ...]:
    """Midway beside each of the others, wherever both were measured."""
    groups: dict[tuple[str, int], list[VmmCost]] = {}
    for cost in costs:
        if cost.device is None:
            groups.setdefault((cost.vmm, cost.together), []).append(cost)
    found = []
    for (vmm, together), theirs in groups.items():
        ours = groups.get(("midway", together))
        if ours and vmm != "midway":
            for measure in MEASURES:
                medians = _median(ours, measure), _median(theirs, measure)
                found.append(Comparison(vmm, together, measure, *medians))
    return tuple(found)


def _median(costs: Sequence[VmmCost], measure: str) -> float:
    return float(median(getattr(cost, measure) for cost in costs))
