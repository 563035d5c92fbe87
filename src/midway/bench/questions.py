# SPDX-License-Identifier: Apache-2.0
"""What is asked of a benchmark's results: of its modes, and of two results files."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from midway.bench.metrics import MODES, VMMS, Key, Series, cost_series, headline, in_order, run_series
from midway.bench.results import Results
from midway.bench.statistics import Difference, Pair, Question, answer

__all__ = ["Comparison", "compare_files", "compare_modes", "only_in", "subject_of"]

# Asked of all workloads together as well: every workload has these.
_OVERALL = (
    "exits_per_irq",
    "user_exits_per_irq",
    "instructions_per_irq",
    "exits_per_operation",
    "instructions_per_operation",
)
# Size on disk and threads are the same each time: they are facts, not samples.
_COSTS = ("exec_to_first_instruction_s", "exec_to_init_s", "memory_mib")
_RATE = "rate_per_s"  # of each workload the one that it is about


class Comparison(NamedTuple):
    """`overall` has all workloads together, `single` each of them, `costs` what VMMs cost, however many ran
    at once.
    """

    overall: list[Difference]
    single: list[Difference]
    costs: list[Difference]


def subject_of(results: Results) -> str | None:
    """The mode that the others are compared with: forward, or what comes next to it."""
    present = {run.mode for run in results.runs}
    return next(
        (mode for mode in ("forward", "irqfd", "userspace", "qemu", "native") if mode in present), None
    )


def compare_modes(results: Results) -> Comparison:
    """The subject against each other mode in every workload and metric, and Midway against other VMMs."""
    subject = subject_of(results)
    series, costs = run_series(results), cost_series(results)
    modes = (
        [] if subject is None else [(mode, subject) for mode in _variants(series, MODES) if mode != subject]
    )
    vmms = [(vmm, VMMS[0]) for vmm in _variants(costs, VMMS) if vmm != VMMS[0]]
    return _compared(_Sides(series, series, modes), _Sides(costs, costs, vmms), _rates(results))


def compare_files(before: Results, after: Results) -> Comparison:
    """Every mode, workload and metric of one with the same of the other."""
    runs, new_runs = run_series(before), run_series(after)
    costs, new_costs = cost_series(before), cost_series(after)
    return _compared(
        _Sides(runs, new_runs, [(mode, mode) for mode in _variants(runs, MODES)]),
        _Sides(costs, new_costs, [(vmm, vmm) for vmm in _variants(costs, VMMS)]),
        _rates(before),
    )


def only_in(first: Results, second: Results) -> list[Key]:
    """What one has and the other has not, each at its coarsest: "" for the group where the whole variant is
    missing, for the variant where the whole group is, and for the metric where all of both is.
    """
    found: dict[Key, None] = {}
    for series in (run_series, cost_series, _scale_series):
        other = series(second)
        groups, variants = ({key[at] for key in other} for at in (0, 1))
        pairs = {(key.group, key.variant) for key in other}
        for key in series(first):
            if key.variant not in variants:
                found[Key("", key.variant, "")] = None
            elif key.group not in groups:
                found[Key(key.group, "", "")] = None
            elif (key.group, key.variant) not in pairs:
                found[Key(key.group, key.variant, "")] = None
            elif key not in other:
                found[key] = None
    return list(found)


def _scale_series(results: Results) -> dict[Key, tuple[float, ...]]:
    """Guests in numbers, of which nothing is compared: whether they are there."""
    return {
        Key(f"{_many(run.guests, 'guest')} with {_many(run.devices, 'device')}", run.mode, ""): (
            run.interrupts_per_s,
        )
        for run in results.scale
    }


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class _Sides(NamedTuple):
    """`variants` are those that are compared: of `first`, and of `second`."""

    first: Series
    second: Series
    variants: list[tuple[str, str]]

    def pair(self, group: str, metric: str, reference: str, candidate: str) -> Pair:
        return (
            self.first.get(Key(group, reference, metric), ()),
            self.second.get(Key(group, candidate, metric), ()),
        )


def _variants(series: Series, order: tuple[str, ...]) -> list[str]:
    return in_order((key.variant for key in series), order)


def _rates(results: Results) -> dict[str, str]:
    workloads = dict.fromkeys(run.workload for run in results.runs)
    rates = ((workload, headline(results, workload)) for workload in workloads)
    return {workload: rate for workload, rate in rates if rate is not None}


def _compared(runs: _Sides, costs: _Sides, rates: Mapping[str, str]) -> Comparison:
    """`rates` is what each workload is about."""
    workloads = dict.fromkeys(key.group for key in runs.first)
    overall = {metric: dict.fromkeys(workloads, metric) for metric in _OVERALL} | {_RATE: rates}
    together = dict.fromkeys(key.group for key in costs.first)
    return Comparison(
        answer(_over_all(runs, overall) if len(workloads) > 1 else ()),
        answer(_single(runs)),
        answer(_over_all(costs, {metric: dict.fromkeys(together, metric) for metric in _COSTS})),
    )


def _single(sides: _Sides) -> Iterator[Question]:
    for group, metric in dict.fromkeys((key.group, key.metric) for key in sides.first):
        for variants in sides.variants:
            yield Question(metric, group, *variants, (sides.pair(group, metric, *variants),))


def _over_all(sides: _Sides, metrics: Mapping[str, Mapping[str, str]]) -> Iterator[Question]:
    """`metrics` has, by the metric of the question, the one of each group."""
    for metric, names in metrics.items():
        for variants in sides.variants:
            pairs = {group: sides.pair(group, name, *variants) for group, name in names.items()}
            whole = {group: pair for group, pair in pairs.items() if all(pair)}
            # What only one of them has is no question about all.
            group = next(iter(whole)) if len(whole) == 1 else None
            yield Question(metric, group, *variants, tuple(whole.values()))
