# SPDX-License-Identifier: Apache-2.0
"""What is derived from one run, by name, and what each figure is worth on an emulated board."""

import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import NamedTuple

from midway.bench.results import Results, Run, VmmCost

__all__ = [
    "DEFAULT_MODES",
    "INTERRUPTS",
    "MODES",
    "VMMS",
    "Better",
    "Key",
    "Metric",
    "Series",
    "at_once",
    "cost_series",
    "figures_of",
    "headline",
    "in_order",
    "metric_named",
    "run_series",
]

DEFAULT_MODES = ("native", "userspace", "irqfd", "forward")
MODES = (*DEFAULT_MODES, "qemu")
VMMS = ("midway", "qemu", "kvmtool")


class Better(Enum):
    LOWER = "lower"
    HIGHER = "higher"
    UNKNOWN = "unknown"


class Metric(NamedTuple):
    """`is_count` is what an emulated board shows as a real one does; all else is a time, or made of times."""

    name: str
    label: str
    unit: str
    is_count: bool
    better: Better


class Key(NamedTuple):
    """Of what a series of values is: workload (or how many VMs at once), mode (or VMM), and metric."""

    group: str
    variant: str
    metric: str


Series = Mapping[Key, tuple[float, ...]]

INTERRUPTS = "interrupts_per_s"  # the rate that every run has beside its load's own
_FIXED = {
    metric.name: metric
    for metric in (
        Metric("exits_per_irq", "exits", "per interrupt", True, Better.LOWER),
        Metric("user_exits_per_irq", "exits to user space", "per interrupt", True, Better.LOWER),
        Metric("instructions_per_irq", "instructions", "per interrupt", True, Better.LOWER),
        Metric("exits_per_operation", "exits", "per operation", True, Better.LOWER),
        Metric("instructions_per_operation", "instructions", "per operation", True, Better.LOWER),
        Metric("host_irqs_per_irq", "host interrupts", "per interrupt of the guest's", True, Better.LOWER),
        Metric("host_irqs_per_operation", "host interrupts", "per operation", True, Better.UNKNOWN),
        Metric("guest_irqs_per_operation", "guest interrupts", "per operation", True, Better.UNKNOWN),
        Metric("cpu_host_us_per_operation", "host busy", "µs per operation", False, Better.LOWER),
        Metric("cpu_vmm_us_per_operation", "VMM busy", "µs per operation", False, Better.LOWER),
        Metric("cpu_guest_us_per_operation", "guest busy", "µs per operation", False, Better.LOWER),
        Metric("rate_per_s", "what the load did", "per s", False, Better.HIGHER),
        # The busier a driver that polls is, the fewer it takes: more of them is neither better nor worse.
        Metric(INTERRUPTS, "interrupts", "per s", False, Better.UNKNOWN),
        Metric("exec_to_first_instruction_s", "exec to first instruction", "s", False, Better.LOWER),
        Metric("exec_to_init_s", "exec to the guest's init", "s", False, Better.LOWER),
        Metric("memory_mib", "memory beside the guest's RAM", "MiB", True, Better.LOWER),
        Metric("disk_mib", "size on disk", "MiB", True, Better.LOWER),
        Metric("threads", "threads", "", True, Better.LOWER),
    )
}
_TIMES = {"ns": "ns", "us": "µs", "ms": "ms", "s": "s"}
# What a load is for, first; nearly every load has interrupts as well.
_HEADLINES = ("transactions_per_s", "megabits_per_s", "megabytes_per_s")


def metric_named(name: str) -> Metric:
    """Any other name than those derived here is a rate's, with its unit at the end."""
    if known := _FIXED.get(name):
        return known
    if name.endswith("_per_s"):
        return Metric(name, name.removesuffix("_per_s").replace("_", " "), "per s", False, Better.HIGHER)
    words, _, unit = name.rpartition("_")
    if words and unit in _TIMES:
        # p99_9 is a name's way to say p99.9.
        label = re.sub(r"(?<=\d)_(?=\d)", ".", words).replace("_", " ")
        return Metric(name, label, _TIMES[unit], False, Better.LOWER)
    return Metric(name, name.replace("_", " "), "", False, Better.UNKNOWN)


def headline(results: Results, workload: str) -> str | None:
    """The rate that a workload is about: of those that any of its runs has."""
    names = {name for run in results.runs if run.workload == workload for name in run.rates}
    rates = sorted(name for name in names if name.endswith("_per_s"))
    wanted = [name for name in _HEADLINES if name in rates]
    others = [name for name in rates if name != INTERRUPTS]
    return next(iter([*wanted, *others, *rates]), None)


def in_order(names: Iterable[str], order: tuple[str, ...]) -> list[str]:
    """Each once: the known ones in their order, then the others as they came."""
    unique = list(dict.fromkeys(names))
    return sorted(unique, key=lambda name: order.index(name) if name in order else len(order))


def figures_of(run: Run) -> dict[str, float]:
    """Rates as they are, and all that follows from counts and times.  What was not counted, or would divide
    by nothing, or is no finite number, is left out.
    """
    counts = run.counts
    irqs, operations = counts.interrupts, counts.operations
    of_host, of_guest = counts.host_interrupts, counts.guest_interrupts
    figures: dict[str, float | None] = {
        "exits_per_irq": counts.exits_per_interrupt,
        "user_exits_per_irq": _ratio(counts.user_exits, irqs),
        "instructions_per_irq": _ratio(counts.instructions, irqs),
        "exits_per_operation": _ratio(counts.exits, operations),
        "instructions_per_operation": _ratio(counts.instructions, operations),
        "host_irqs_per_irq": None if of_guest is None else _ratio(of_host, of_guest),
        "host_irqs_per_operation": _ratio(of_host, operations),
        "guest_irqs_per_operation": _ratio(of_guest, operations),
    }
    if cpu := run.cpu_time:
        for whose, seconds in (("host", cpu.host), ("vmm", cpu.vmm), ("guest", cpu.guest)):
            busy = None if seconds is None else seconds * 1e6
            figures[f"cpu_{whose}_us_per_operation"] = _ratio(busy, operations)
    figures |= {name: value for name, value in run.rates.items() if name == INTERRUPTS or name not in _FIXED}
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}


def run_series(results: Results) -> dict[Key, tuple[float, ...]]:
    """The runs' figures by workload, mode and metric, in the order of the runs.

    Workloads come in the order of the runs too; of the metrics, rates come last.
    """
    found: dict[Key, list[float]] = {}
    for run in sorted(results.runs, key=lambda run: run.order):
        for name, value in figures_of(run).items():
            found.setdefault(Key(run.workload, run.mode, name), []).append(value)
    workloads = {workload: at for at, workload in enumerate(dict.fromkeys(key.group for key in found))}
    metrics = {name: at for at, name in enumerate(_FIXED)}
    keys = sorted(found, key=lambda key: (workloads[key.group], metrics.get(key.metric, len(metrics))))
    return {key: tuple(found[key]) for key in keys}


def cost_series(results: Results) -> dict[Key, tuple[float, ...]]:
    """What the VMMs cost, by how many ran at once, VMM and metric.  Memory and disk in MiB."""
    found: dict[Key, list[float]] = {}
    for cost in results.vmm_costs:
        for name, value in _cost_figures(cost).items():
            if math.isfinite(value):
                found.setdefault(Key(at_once(cost.together), cost.vmm, name), []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def at_once(many: int) -> str:
    """The group of `many` VMs."""
    return "1 VM" if many == 1 else f"{many} VMs at once"


def _cost_figures(cost: VmmCost) -> dict[str, float]:
    return {
        "exec_to_first_instruction_s": cost.exec_to_first_instruction_s,
        "exec_to_init_s": cost.exec_to_init_s,
        "memory_mib": cost.memory / (1 << 20),
        "disk_mib": cost.disk / (1 << 20),
        "threads": float(cost.threads),
    }


def _ratio(part: float | None, whole: float) -> float | None:
    return None if part is None or whole <= 0 else part / whole
