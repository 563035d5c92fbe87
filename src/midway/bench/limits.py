# SPDX-License-Identifier: Apache-2.0
"""What a report takes on: results come as a file from anywhere, and one figure must not spoil the rest."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from midway.bench.results import Counts, CpuTime, Results, Run
from midway.errors import UsageError

__all__ = ["tidied"]

_RUNS, _COSTS, _SCALE, _NOTES, _VERSIONS = 10_000, 1_000, 200, 200, 100
_WORKLOADS, _MODES, _VMMS, _TOGETHER = 24, 8, 6, 6
_PER_RUN = 40  # rates, and kinds of exits
_NAME, _TEXT = 200, 20_000  # characters
_COUNT = 1 << 62
_LEAST, _MOST = 1e-12, 1e15  # of a rate, or of seconds


def tidied(results: Results) -> Results:
    """The results without figures that are none (not finite, negative, absurd), which a note counts.

    Raises UsageError for more of anything than a page can show, and for counts below 0 or beyond 62 bits.
    """
    for what, many, most in _sizes(results):
        if many > most:
            raise UsageError("reporting results", answer=f"{many} {what} are more than {most}")
    for count in _counts(results):
        if not 0 <= count < _COUNT:
            raise UsageError("reporting results", answer=f"{count} is no count")
    kept_costs = tuple(
        cost for cost in results.vmm_costs if _good((cost.exec_to_first_instruction_s, cost.exec_to_init_s))
    )
    kept_scale = tuple(run for run in results.scale if _good((run.interrupts_per_s, run.seconds)))
    runs = tuple(_tidied_run(run) for run in results.runs)
    lost = sum(before != after for before, after in zip(results.runs, runs, strict=True))
    lost += len(results.vmm_costs) - len(kept_costs) + len(results.scale) - len(kept_scale)
    took = results.took_s if _good((results.took_s,)) else 0.0
    if not lost and took == results.took_s:
        return results
    note = f"Figures that can be none (negative, not finite) are left out, in {lost} of the measurements."
    return msgspec.structs.replace(
        results,
        runs=runs,
        vmm_costs=kept_costs,
        scale=kept_scale,
        took_s=took,
        notes=(*results.notes, note),
    )


def _sizes(results: Results) -> Iterator[tuple[str, int, int]]:
    runs = results.runs
    yield "runs", len(runs), _RUNS
    yield "costs of VMMs", len(results.vmm_costs), _COSTS
    yield "runs of several guests", len(results.scale), _SCALE
    yield "notes", len(results.notes), _NOTES
    yield "versions", len(results.machine.versions), _VERSIONS
    yield "workloads", len({run.workload for run in runs}), _WORKLOADS
    yield "modes", len({run.mode for run in runs} | {run.mode for run in results.scale}), _MODES
    yield "VMMs", len({cost.vmm for cost in results.vmm_costs}), _VMMS
    yield "numbers of VMs at once", len({cost.together for cost in results.vmm_costs}), _TOGETHER
    yield "names of rates", len({name for run in runs for name in run.rates}), _PER_RUN
    yield "kinds of exits", len({name for run in runs for name in run.counts.exits_by_kind}), _PER_RUN
    yield "characters in a name", max((len(name) for name in _names(results)), default=0), _NAME
    yield "characters in a text", max(len(text) for text in _texts(results)), _TEXT


def _names(results: Results) -> Iterator[str]:
    for run in results.runs:
        yield from (run.workload, run.mode, *run.rates, *run.counts.exits_by_kind)
    yield from (cost.vmm for cost in results.vmm_costs)
    yield from (run.mode for run in results.scale)
    yield from results.machine.versions
    yield from (results.machine.name, results.device, results.begun)


def _texts(results: Results) -> Iterable[str]:
    return (results.command, *results.notes, *results.machine.versions.values())


def _counts(results: Results) -> Iterator[int]:
    for run in results.runs:
        yield from (run.repetition, run.order)
        yield from _counted(run.counts)
    for cost in results.vmm_costs:
        yield from (cost.together, cost.repetition, cost.memory, cost.disk, cost.threads)
    for scale in results.scale:
        yield from (scale.guests, scale.devices, scale.guests * scale.devices, scale.memory)
        yield from _counted(scale.counts)
    yield from (results.machine.processors, results.machine.memory_mb)


def _counted(counts: Counts) -> Iterator[int]:
    optional = (counts.guest_interrupts, counts.exits, counts.user_exits, counts.instructions)
    yield from (counts.operations, counts.host_interrupts)
    yield from (count for count in optional if count is not None)
    yield from counts.exits_by_kind.values()


def _tidied_run(run: Run) -> Run:
    times = _times(run.cpu_time)
    if _good((run.seconds, *run.rates.values(), *times)):
        return run
    return msgspec.structs.replace(
        run,
        seconds=run.seconds if _good((run.seconds,)) else 0.0,
        rates=_good_rates(run.rates),
        cpu_time=run.cpu_time if _good(times) else None,
    )


def _times(cpu: CpuTime | None) -> tuple[float, ...]:
    times = () if cpu is None else (cpu.host, cpu.vmm, cpu.guest)
    return tuple(seconds for seconds in times if seconds is not None)


def _good_rates(rates: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in rates.items() if _good((value,))}


def _good(values: Iterable[float]) -> bool:
    """Whether all can be figures; the quotient of any two of them is finite."""
    return all(value == 0 or _LEAST <= value <= _MOST for value in values)
