# SPDX-License-Identifier: Apache-2.0
"""Which modes are compared with which, in what, and what is said of it."""

import msgspec
import pytest

from midway.bench.questions import compare_files, compare_modes, subject_of
from midway.bench.results import Counts, Results
from midway.bench.words import share, summary_of
from unit.bench_examples import made_up


def without_instructions_but_in(workload: str, results: Results) -> Results:
    def counted(counts: Counts, name: str) -> Counts:
        return counts if name == workload else msgspec.structs.replace(counts, instructions=None)

    runs = (msgspec.structs.replace(run, counts=counted(run.counts, run.workload)) for run in results.runs)
    return msgspec.structs.replace(results, runs=tuple(runs))


def said(results: Results) -> dict[str, str]:
    return {each.lead: each.text for each in summary_of(results, compare_modes(results))}


def test_forward_is_compared_with_every_other_mode() -> None:
    found = compare_modes(made_up(repetitions=2, workloads=2))
    assert {each.candidate for each in found.single} == {"forward"}
    assert {each.reference for each in found.single} == {"native", "userspace", "irqfd", "qemu"}


@pytest.mark.parametrize(
    ("modes", "subject"),
    [
        (("native", "irqfd", "qemu"), "irqfd"),
        (("native", "qemu"), "qemu"),
        (("native",), "native"),
        ((), None),
    ],
)
def test_without_forward_the_next_best_is_compared(modes: tuple[str, ...], subject: str | None) -> None:
    assert subject_of(made_up(repetitions=1, modes=modes)) == subject


def test_each_workload_s_own_rate_is_compared_over_all_workloads() -> None:
    results = made_up(repetitions=4, modes=("userspace", "forward"), workloads=3)
    (rate,) = [
        each
        for each in compare_modes(results).overall
        if each.metric.name == "rate_per_s" and each.reference == "userspace"
    ]
    assert rate.group is None
    assert rate.ratio == pytest.approx(0.66 / 0.28, rel=0.1)


def test_what_only_one_workload_has_is_said_of_that_workload() -> None:
    results = without_instructions_but_in(
        "irq_rate", made_up(repetitions=6, modes=("irqfd", "forward"), workloads=3)
    )
    overall = compare_modes(results).overall
    assert {each.group for each in overall if each.metric.name == "instructions_per_irq"} == {"irq_rate"}
    assert {each.group for each in overall if each.metric.name == "exits_per_irq"} == {None}
    text = said(results)["Counts of forward, over all workloads together."]
    assert "irq_rate, instructions per interrupt: 7" in text


def test_midway_is_compared_with_other_vmms_however_many_run_at_once() -> None:
    costs = compare_modes(made_up(repetitions=1, workloads=1)).costs
    assert {(each.reference, each.candidate) for each in costs} == {("qemu", "midway"), ("kvmtool", "midway")}
    assert {each.metric.name for each in costs} == {
        "exec_to_first_instruction_s",
        "exec_to_init_s",
        "memory_mib",
    }


def test_a_mode_of_one_file_is_compared_with_the_same_of_the_other() -> None:
    found = compare_files(
        made_up(repetitions=2, workloads=2), made_up(repetitions=2, modes=("irqfd",), workloads=2)
    )
    assert {(each.reference, each.candidate) for each in found.single} == {("irqfd", "irqfd")}


def test_counts_and_rates_are_never_in_one_paragraph() -> None:
    paragraphs = said(made_up(repetitions=4, modes=("native", "irqfd", "forward"), workloads=2))
    assert [lead for lead, text in paragraphs.items() if "per interrupt" in text] == [
        "Counts of forward, over all workloads together."
    ]
    assert [lead for lead, text in paragraphs.items() if "Work per second" in text] == [
        "Rates of forward (shapes only, on an emulated board)."
    ]


def test_one_workload_alone_is_summed_up_by_its_own_comparisons() -> None:
    paragraphs = said(made_up(repetitions=8, workloads=1))
    assert "tcp_rr, exits per interrupt: 4" in paragraphs["Counts of forward, in its workload."]


def test_with_too_few_runs_the_summary_names_no_ratio() -> None:
    whole = msgspec.structs.replace(made_up(repetitions=1), vmm_costs=())
    paragraphs = said(whole)
    assert "%" not in "".join(paragraphs.values())
    counts = paragraphs["Counts of forward, over all workloads together."]
    assert counts == "We cannot tell with 1 run what differs and what is chance."


def test_shares_are_in_percent_of_any_size() -> None:
    assert [share(ratio) for ratio in (0.004, 0.75, 12.0, 1e9)] == [
        "0.4 %",
        "75 %",
        "1,200 %",
        "over 1,000,000 %",
    ]
