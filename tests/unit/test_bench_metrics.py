# SPDX-License-Identifier: Apache-2.0
"""What is derived from a run, and what is refused or left out of results from anywhere."""

import math

import msgspec
import pytest
from hypothesis import given, settings

from midway.bench.limits import tidied
from midway.bench.metrics import (
    Better,
    Key,
    at_once,
    cost_series,
    figures_of,
    headline,
    metric_named,
    run_series,
)
from midway.bench.results import Counts, CpuTime, Results, Run
from midway.errors import UsageError
from unit.bench_examples import made_up
from unit.bench_strategies import results

RUN = Run(
    workload="tcp_rr",
    mode="irqfd",
    repetition=1,
    order=0,
    seconds=2.0,
    rates={"transactions_per_s": 50.0, "interrupts_per_s": 100.0},
    counts=Counts(
        operations=100,
        host_interrupts=600,  # three for each of the guest's
        guest_interrupts=200,
        exits=1000,
        user_exits=50,
        instructions=40_000,
    ),
    cpu_time=CpuTime(host=1.5, vmm=0.5, guest=None),
)


def with_runs(*runs: Run) -> Results:
    return msgspec.structs.replace(made_up(repetitions=1), runs=runs, vmm_costs=(), scale=())


def changed(**fields: object) -> Run:
    return msgspec.structs.replace(RUN, **fields)


def test_counts_are_divided_by_the_guests_interrupts_and_by_operations() -> None:
    assert figures_of(RUN) == {
        "exits_per_irq": 5.0,
        "user_exits_per_irq": 0.25,
        "instructions_per_irq": 200.0,
        "exits_per_operation": 10.0,
        "instructions_per_operation": 400.0,
        "host_irqs_per_irq": 3.0,
        "host_irqs_per_operation": 6.0,
        "guest_irqs_per_operation": 2.0,
        "cpu_host_us_per_operation": 15_000.0,
        "cpu_vmm_us_per_operation": 5_000.0,
        "transactions_per_s": 50.0,
        "interrupts_per_s": 100.0,
    }


def test_natively_the_interrupts_are_the_hosts() -> None:
    figures = figures_of(changed(counts=Counts(operations=1, host_interrupts=600, instructions=6000)))
    assert figures["instructions_per_irq"] == 10.0
    assert not {"host_irqs_per_irq", "guest_irqs_per_operation"} & set(figures)


def test_a_run_without_interrupts_or_operations_has_rates_only() -> None:
    idle = changed(counts=Counts(operations=0, host_interrupts=0, exits=7))
    assert set(figures_of(idle)) == {"transactions_per_s", "interrupts_per_s"}


def test_a_rate_cannot_take_the_name_of_a_count() -> None:
    assert figures_of(changed(rates={"exits_per_irq": 0.0}))["exits_per_irq"] == 5.0


def test_counts_are_true_in_emulation_and_whatever_has_time_in_it_is_not() -> None:
    names = set(figures_of(RUN)) | {"latency_p99_us", "memory_mib", "exec_to_init_s"}
    counts = {name for name in names if metric_named(name).is_count}
    assert counts == {name for name in names if name.endswith(("_per_irq", "irqs_per_operation"))} | {
        "exits_per_operation",
        "instructions_per_operation",
        "memory_mib",
    }


def test_a_name_s_end_says_the_unit_and_which_way_is_better() -> None:
    assert metric_named("latency_p99_us")[1:] == ("latency p99", "µs", False, Better.LOWER)
    assert metric_named("latency_p99_9_us").label == "latency p99.9"
    assert metric_named("megabits_per_s")[1:] == ("megabits", "per s", False, Better.HIGHER)
    assert metric_named("interrupts_per_s").better is Better.UNKNOWN
    assert metric_named("oddity")[1:] == ("oddity", "", False, Better.UNKNOWN)


def test_the_headline_is_what_a_load_is_for() -> None:
    both = with_runs(
        RUN,
        changed(workload="irq_rate", rates={"interrupts_per_s": 100.0, "packets_per_s": 5000.0}),
        changed(workload="dma", rates={"interrupts_per_s": 1.0}),
    )
    assert headline(both, "tcp_rr") == "transactions_per_s"
    assert headline(both, "irq_rate") == "packets_per_s"
    assert headline(both, "dma") == "interrupts_per_s"
    assert headline(both, "absent") is None


def test_series_are_in_the_order_of_the_runs() -> None:
    later = changed(order=1, rates={"transactions_per_s": 9.0})
    series = run_series(with_runs(later, RUN))
    assert series[Key("tcp_rr", "irqfd", "transactions_per_s")] == (50.0, 9.0)


def test_costs_are_by_how_many_ran_at_once_in_mebibytes() -> None:
    costs = made_up(repetitions=1).vmm_costs
    series = cost_series(made_up(repetitions=1))
    memory = [cost.memory / (1 << 20) for cost in costs if (cost.vmm, cost.together) == ("qemu", 2)]
    assert series[Key(at_once(2), "qemu", "memory_mib")] == tuple(memory)


def test_figures_that_can_be_none_are_left_out_and_counted_in_a_note() -> None:
    found = tidied(
        with_runs(
            RUN,
            changed(rates={"a_per_s": math.nan, "b_per_s": 1.0, "c_per_s": -1.0, "d_per_s": 1e300}),
            changed(seconds=math.inf, cpu_time=CpuTime(host=math.nan)),
        )
    )
    assert found.runs[0] == RUN
    assert found.runs[1].rates == {"b_per_s": 1.0}
    assert (found.runs[2].seconds, found.runs[2].cpu_time) == (0.0, None)
    assert found.notes[-1].endswith("in 2 of the measurements.")


def test_results_without_such_figures_stay_what_they_are() -> None:
    whole = made_up(repetitions=1)
    assert tidied(whole) is whole


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ((RUN,) * 10_001, "10001 runs"),
        (tuple(changed(workload=str(at)) for at in range(25)), "25 workloads"),
        ((changed(workload="w" * 201),), "201 characters"),
        ((changed(counts=Counts(operations=-1, host_interrupts=0)),), "-1 is no count"),
        ((changed(counts=Counts(operations=1, host_interrupts=1 << 70)),), "is no count"),
        (
            (changed(counts=Counts(operations=1, host_interrupts=1, exits_by_kind={"wfi": -2})),),
            "-2 is no count",
        ),
    ],
)
def test_what_no_page_can_show_is_refused(runs: tuple[Run, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        tidied(with_runs(*runs))


@settings(max_examples=50, deadline=None)
@given(results())
def test_no_figure_of_any_results_is_infinite(given_results: Results) -> None:
    tidy = tidied(given_results)
    for series in (run_series(tidy), cost_series(tidy)):
        assert all(math.isfinite(value) for values in series.values() for value in values)
