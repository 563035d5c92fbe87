# SPDX-License-Identifier: Apache-2.0
"""A difference is called real only where the runs show it, whatever the order in which they came."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midway.bench import statistics
from midway.bench.statistics import (
    ALPHA,
    Difference,
    Question,
    Summary,
    Verdict,
    answer,
    relative,
    runs_needed,
    summary,
)

LOW, HIGH = (1.0, 2.0, 3.0, 4.0, 5.0), (6.0, 7.0, 8.0, 9.0, 10.0)
FIGURES = st.lists(st.floats(0, 1e9).map(lambda value: round(value, 3)), min_size=1, max_size=8)


def question(
    reference: Sequence[float], candidate: Sequence[float], metric: str = "exits_per_irq"
) -> Question:
    return Question(metric, "load", "irqfd", "forward", ((reference, candidate),))


def asked(
    reference: Sequence[float], candidate: Sequence[float], metric: str = "exits_per_irq"
) -> Difference:
    (found,) = answer([question(reference, candidate, metric)])
    return found


def test_a_summary_has_the_median_the_quartiles_and_the_ends() -> None:
    assert summary([5.0, 1.0, 2.0, 4.0, 3.0]) == Summary(5, 3.0, 2.0, 4.0, 1.0, 5.0)
    assert summary([7.0]) == Summary(1, 7.0, 7.0, 7.0, 7.0, 7.0)


def test_the_p_value_of_five_and_five_apart_is_exact() -> None:
    assert asked(LOW, HIGH).p == pytest.approx(2 / 252)


def test_equal_values_on_one_side_leave_the_p_value_exact() -> None:
    assert asked((0.0,) * 5, (2.0,) * 5).p == pytest.approx(2 / 252)


def test_values_that_both_sides_have_are_tested_by_all_arrangements() -> None:
    # Of the 20 ways to choose three, as far out are both 3 with one of the 2, and 1 with two of the 2.
    assert asked((1.0, 2.0, 2.0), (2.0, 3.0, 3.0)).p == pytest.approx(6 / 20)
    assert asked((1.0, 1.0), (1.0, 1.0)).p == 1.0


def test_fewer_exits_are_better_and_a_lower_rate_is_worse() -> None:
    assert asked(HIGH, LOW).words == "real, better"
    assert asked(HIGH, LOW, "transactions_per_s").words == "real, worse"
    assert asked(HIGH, LOW, "host_irqs_per_operation").words == "real"


def test_the_ratio_is_of_medians_within_its_interval() -> None:
    found = asked(HIGH, LOW)
    assert found.ratio == 3 / 8
    assert found.interval is not None
    assert found.interval[0] < 3 / 8 < found.interval[1]


def test_three_runs_each_cannot_tell_however_far_apart() -> None:
    found = asked((1.0, 2.0, 3.0), (1e6, 2e6, 3e6))
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.words == "cannot tell with 3 runs"


def test_enough_runs_that_overlap_show_nothing() -> None:
    assert asked(LOW, LOW[::-1]).words == "not shown"


def test_enough_runs_that_are_all_equal_are_said_to_be() -> None:
    assert asked((0.0,) * 5, (0.0,) * 5).words == "equal in every run"


def test_among_many_comparisons_five_runs_can_no_longer_tell() -> None:
    found = answer([question(LOW, HIGH)] * 7)
    assert {difference.words for difference in found} == {"cannot tell with 5 runs"}
    assert found[0].adjusted == pytest.approx(7 * 2 / 252)


def test_among_few_comparisons_five_runs_can_tell() -> None:
    assert {found.words for found in answer([question(LOW, HIGH)] * 6)} == {"real, worse"}


def test_a_real_difference_leaves_less_to_correct_the_next_for() -> None:
    far = [float(value) for value in range(20)]
    sure = question(far, [value + 100 for value in far])
    found = answer([sure, question(LOW, HIGH), question(LOW, LOW[::-1])])
    assert found[1].adjusted == pytest.approx(2 * 2 / 252)
    assert [difference.verdict for difference in found] == [Verdict.REAL, Verdict.REAL, Verdict.NOT_SHOWN]


def test_comparisons_that_could_never_be_real_do_not_count_in_the_correction() -> None:
    hopeless = question((1.0,), (2.0,))
    found = answer([question(LOW, HIGH), *[hopeless] * 50])
    assert found[0].verdict is Verdict.REAL
    assert found[1].words == "cannot tell with 1 run"


def test_workloads_together_tell_with_runs_too_few_for_each() -> None:
    pairs = tuple(((1.0 * n, 1.1 * n, 1.2 * n), (2.0 * n, 2.1 * n, 2.2 * n)) for n in (1, 10, 100))
    (found,) = answer([Question("exits_per_irq", None, "irqfd", "forward", pairs)])
    assert found.words == "real, worse"
    assert found.ratio == pytest.approx(2.1 / 1.1)
    assert found.interval == pytest.approx((2.1 / 1.1, 2.1 / 1.1))
    assert found.medians is None


def test_workloads_that_disagree_are_not_called_better() -> None:
    pairs = ((LOW, HIGH), (HIGH, LOW))
    (found,) = answer([Question("exits_per_irq", None, "irqfd", "forward", pairs * 3)])
    assert found.verdict is Verdict.REAL
    assert found.words == "real, but not one way"


def test_a_difference_from_nothing_has_no_ratio() -> None:
    found = asked((0.0,) * 5, HIGH)
    assert found.ratio is None
    assert found.words == "real, worse"
    assert found.worse_by == float("inf")


def test_a_rate_that_falls_to_nothing_is_worse_by_all_of_it() -> None:
    found = asked(HIGH, (0.0,) * 5, "transactions_per_s")
    assert (found.ratio, found.worse_by) == (0.0, 100.0)


def test_a_workload_that_has_none_of_it_on_either_side_does_not_make_a_difference_infinite() -> None:
    pairs = (((0.0,) * 12, (0.0,) * 12), ((1.0, 1.01) * 6, (2.0, 2.02) * 6))
    (found,) = answer([Question("user_exits_per_irq", None, "irqfd", "forward", pairs)])
    assert found.words == "real, worse"
    assert found.worse_by == pytest.approx(100)


def test_how_much_worse_is_in_percent_of_the_reference() -> None:
    assert asked(LOW, HIGH).worse_by == pytest.approx(100 * (8 / 3 - 1))
    assert asked(HIGH, LOW, "transactions_per_s").worse_by == pytest.approx(100 * (1 - 3 / 8))
    assert asked(HIGH, LOW).worse_by == 0


def test_shares_are_in_percent_of_the_base_s_median() -> None:
    assert relative((5.0, 10.0), (9.0, 10.0, 11.0)) == (50.0, 100.0)
    assert relative((5.0,), (0.0,)) == ()
    assert relative((5.0,), ()) == ()


def test_questions_without_values_on_both_sides_are_not_asked() -> None:
    assert answer([question((), LOW), question(LOW, ()), question((), ())]) == []


@pytest.mark.parametrize(("comparisons", "runs"), [(1, 4), (6, 5), (7, 6), (264, 8)])
def test_the_runs_that_are_needed_are_the_fewest_that_suffice(comparisons: int, runs: int) -> None:
    assert runs_needed(comparisons) == runs


@settings(max_examples=30, deadline=None)
@given(FIGURES, FIGURES, st.randoms(use_true_random=False))
def test_the_order_of_the_runs_does_not_matter(
    reference: list[float], candidate: list[float], dice: random.Random
) -> None:
    before = asked(reference, candidate)
    dice.shuffle(reference)
    dice.shuffle(candidate)
    after = asked(reference, candidate)
    assert after._replace(p=0, adjusted=0) == before._replace(p=0, adjusted=0)
    assert after.p == pytest.approx(before.p)


@settings(max_examples=30, deadline=None)
@given(FIGURES, FIGURES)
def test_the_sides_can_be_exchanged(reference: list[float], candidate: list[float]) -> None:
    there, back = asked(reference, candidate), asked(candidate, reference)
    assert there.p == pytest.approx(back.p)
    assert there.direction == -back.direction
    assert 0 < there.p <= there.adjusted <= 1


def test_where_nothing_differs_almost_no_report_calls_anything_real(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        statistics, "_interval", lambda *_: None
    )  # most of the time, and no part of a verdict
    dice = random.Random(7)  # noqa: S311 - the same each time
    reports = 60
    wrong = 0
    for _ in range(reports):
        samples = [[dice.random() for _ in range(6)] for _ in range(20)]
        found = answer(question(samples[at], samples[at + 1]) for at in range(0, 20, 2))
        wrong += any(difference.verdict is Verdict.REAL for difference in found)
    assert wrong <= 3 * ALPHA * reports
