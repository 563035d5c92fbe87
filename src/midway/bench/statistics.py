# SPDX-License-Identifier: Apache-2.0
"""Which differences are real: medians, spread, a test without assumptions, and corrected p-values.

Two series are compared with the two-sided test of Mann and Whitney, exact while the runs are few.  Where the
same question is asked of several workloads, their one-sided p-values are combined by Fisher's method, which
can tell with few runs of each.  All comparisons that a report makes of one kind (of single workloads, or over
all of them) are corrected together by Holm's method.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, NamedTuple

from midway.bench.extra import bench_extra
from midway.bench.metrics import Better, Metric, metric_named

__all__ = [
    "ALPHA",
    "Difference",
    "Question",
    "Summary",
    "Verdict",
    "answer",
    "relative",
    "runs_needed",
    "summary",
]

ALPHA = 0.05
_ARRANGEMENTS = 1_000  # as many are tried one by one where the two sides have values in common
_EXACT = 60  # values in all
_LEAST = 1e-300  # of which there is a logarithm
_RESAMPLES = 2_000
_SEED = 20141014  # the same results give the same report

Pair = tuple[Sequence[float], Sequence[float]]


class Summary(NamedTuple):
    """`q1` and `q3` are the quartiles, `low` and `high` the least and the most."""

    n: int
    median: float
    q1: float
    q3: float
    low: float
    high: float


class Verdict(Enum):
    """`CANNOT_TELL`: with so few runs no difference, however great, would have been called real."""

    REAL = "real"
    EQUAL = "equal in every run"
    NOT_SHOWN = "not shown"
    CANNOT_TELL = "cannot tell"


class Question(NamedTuple):
    """Does `metric` differ between `reference` and `candidate`?  `pairs` are their values by workload.

    `group` is the workload, None for a question about all of them.
    """

    metric: str
    group: str | None
    reference: str
    candidate: str
    pairs: tuple[Pair, ...]


class Difference(NamedTuple):
    """A question's answer.  `ratio` is the candidate's median over the reference's (for several workloads the
    geometric mean of the ratios), None where a median is 0; `interval` is its 95 % bootstrap interval (for
    several workloads the least and the greatest ratio).  `direction` is -1 or 1 where the candidate's median
    is lower or higher, and 0 where it is neither, or lower in one workload and higher in another.  `p` is not
    corrected, `adjusted` is.  `n` is the fewest runs on either side.
    """

    metric: Metric
    group: str | None
    reference: str
    candidate: str
    medians: tuple[float, float] | None
    ratio: float | None
    interval: tuple[float, float] | None
    direction: int
    p: float
    adjusted: float
    n: int
    verdict: Verdict

    @property
    def words(self) -> str:
        if self.verdict is Verdict.CANNOT_TELL:
            return f"cannot tell with {self.n} run{'s' * (self.n != 1)}"
        if self.verdict is not Verdict.REAL:
            return str(self.verdict.value)
        if self.direction == 0:
            return "real, but not one way"
        return {True: "real, better", False: "real, worse", None: "real"}[self.is_better]

    @property
    def is_better(self) -> bool | None:
        """Whether the candidate's figure is the better one; None where neither is, or none is known to be."""
        if self.direction == 0 or self.metric.better is Better.UNKNOWN:
            return None
        return (self.direction < 0) is (self.metric.better is Better.LOWER)

    @property
    def worse_by(self) -> float:
        """How many percent of the reference the candidate is worse; infinite where the reference is 0."""
        if self.is_better is not False:
            return 0.0
        return math.inf if self.ratio is None else 100 * abs(self.ratio - 1)


def summary(values: Sequence[float]) -> Summary:
    """Of at least one value."""
    if len(values) == 1:
        return Summary(1, *([values[0]] * 5))
    q1, median, q3 = statistics.quantiles(values, method="inclusive")
    return Summary(len(values), median, q1, q3, min(values), max(values))


def relative(values: Sequence[float], base: Sequence[float]) -> tuple[float, ...]:
    """Each value in percent of the base's median; empty where that is not above 0."""
    median = statistics.median(base) if base else 0.0
    return tuple(100 * value / median for value in values) if median > 0 else ()


def answer(questions: Iterable[Question]) -> list[Difference]:
    """In their order, corrected together; questions without values on both sides are left out.

    Raises HostError when the libraries are not installed.
    """
    asked = [question for question in questions if any(all(pair) for pair in question.pairs)]
    tests = [_tested([pair for pair in question.pairs if all(pair)]) for question in asked]
    testable = [test for test in tests if test.least < ALPHA]  # the others cannot be wrongly called real
    adjusted = iter(_holm([test.p for test in testable]))
    corrected = [next(adjusted) if test.least < ALPHA else 1.0 for test in tests]
    remaining = sum(p >= ALPHA for p, test in zip(corrected, tests, strict=True) if test.least < ALPHA)
    return [
        _difference(question, test, p, remaining)
        for question, test, p in zip(asked, tests, corrected, strict=True)
    ]


def runs_needed(comparisons: int) -> int:
    """How many runs of each side it takes that one real difference among so many can be told."""
    runs = 2
    while comparisons * _least_p(runs, runs) >= ALPHA:
        runs += 1
    return runs


class _Test(NamedTuple):
    """`least` is the least p that so many runs can give."""

    p: float
    least: float


def _tested(pairs: Sequence[Pair]) -> _Test:
    if len(pairs) == 1:
        reference, candidate = pairs[0]
        return _Test(
            _mann_whitney(reference, candidate, "two-sided"), _least_p(len(reference), len(candidate))
        )
    sides = ([_mann_whitney(*pair, side) for pair in pairs] for side in ("less", "greater"))
    least = _fisher([_least_p(len(a), len(b)) / 2 for a, b in pairs])
    return _Test(min(1.0, 2 * min(_fisher(side) for side in sides)), min(1.0, 2 * least))


def _least_p(first: int, second: int) -> float:
    """Two-sided: the two arrangements of all that are the most extreme."""
    return 2 / math.comb(first + second, first)


def _mann_whitney(reference: Sequence[float], candidate: Sequence[float], side: str) -> float:
    """`side` is the alternative: how the candidate is, compared with the reference."""
    with bench_extra():
        from scipy.stats import PermutationMethod, mannwhitneyu

    both = [*reference, *candidate]
    if len(set(both)) == 1:
        return 1.0
    # Equal values on one side stand in the same place however they are put in order; only a tie between the
    # sides makes the exact distribution another one.
    is_tied = not set(reference).isdisjoint(candidate)
    arrangements = math.comb(len(both), len(reference))
    if is_tied and arrangements <= _ARRANGEMENTS and min(len(reference), len(candidate)) > 1:
        method = PermutationMethod(n_resamples=_ARRANGEMENTS)
    else:
        method = "asymptotic" if is_tied or len(both) > _EXACT else "exact"
    return min(1.0, float(mannwhitneyu(candidate, reference, alternative=side, method=method).pvalue))


def _fisher(p_values: Sequence[float]) -> float:
    with bench_extra():
        from scipy.stats import combine_pvalues

    return float(combine_pvalues([max(p, _LEAST) for p in p_values], method="fisher").pvalue)


def _holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for their number, step by step from the least."""
    adjusted = [0.0] * len(p_values)
    greatest = 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        greatest = max(greatest, min(1.0, p_values[at] * (len(p_values) - rank)))
        adjusted[at] = greatest
    return adjusted


def _difference(question: Question, test: _Test, adjusted: float, remaining: int) -> Difference:
    """`remaining` is by how many a p-value was multiplied when the first was not called real."""
    pairs = [pair for pair in question.pairs if all(pair)]
    if adjusted < ALPHA:
        verdict = Verdict.REAL
    elif test.least * max(remaining, 1) >= ALPHA:
        verdict = Verdict.CANNOT_TELL
    elif all(len({*reference, *candidate}) == 1 for reference, candidate in pairs):
        verdict = Verdict.EQUAL
    else:
        verdict = Verdict.NOT_SHOWN
    medians = [(statistics.median(reference), statistics.median(candidate)) for reference, candidate in pairs]
    ratio, interval = _effect(pairs, medians)
    return Difference(
        metric=metric_named(question.metric),
        group=question.group,
        reference=question.reference,
        candidate=question.candidate,
        medians=medians[0] if len(medians) == 1 else None,
        ratio=ratio,
        interval=interval,
        direction=_direction(medians),
        p=test.p,
        adjusted=adjusted,
        n=min(min(len(reference), len(candidate)) for reference, candidate in pairs),
        verdict=verdict,
    )


def _direction(medians: Sequence[tuple[float, float]]) -> int:
    signs = {(candidate > reference) - (candidate < reference) for reference, candidate in medians} - {0}
    return signs.pop() if len(signs) == 1 else 0


def _effect(
    pairs: Sequence[Pair], medians: Sequence[tuple[float, float]]
) -> tuple[float | None, tuple[float, float] | None]:
    medians = [both for both in medians if any(both)]  # of a workload that has none of it, nothing follows
    if not medians or any(reference <= 0 or candidate < 0 for reference, candidate in medians):
        return None, None
    if not all(candidate for _, candidate in medians):
        return 0.0, None
    ratios = [candidate / reference for reference, candidate in medians]
    if not all(0 < ratio < math.inf for ratio in ratios):
        return None, None
    if len(ratios) > 1:
        mean = math.exp(statistics.fmean(math.log(ratio) for ratio in ratios))
        return mean, (min(ratios), max(ratios))
    return ratios[0], _interval(*pairs[0])


def _interval(reference: Sequence[float], candidate: Sequence[float]) -> tuple[float, float] | None:
    """None with fewer than two runs on a side, or where a resampled median could be 0."""
    if min(len(reference), len(candidate)) < 2 or min(reference) <= 0:
        return None
    with bench_extra():
        import numpy
        from scipy.stats import bootstrap

    def ratio(first: Any, second: Any, axis: int) -> Any:
        return numpy.median(second, axis=axis) / numpy.median(first, axis=axis)

    found = bootstrap(
        # In order: a seed picks places, and the interval must not depend on the order of the runs.
        (sorted(reference), sorted(candidate)),
        ratio,
        n_resamples=_RESAMPLES,
        vectorized=True,
        method="percentile",
        rng=numpy.random.default_rng(_SEED),
    ).confidence_interval
    return (float(found.low), float(found.high))
