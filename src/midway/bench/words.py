# SPDX-License-Identifier: Apache-2.0
"""What the comparisons say, in sentences: what is real, what is not shown, and what cannot be told."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from midway.bench.metrics import Better, Metric
from midway.bench.questions import Comparison, subject_of
from midway.bench.results import Results
from midway.bench.statistics import Difference, Verdict, runs_needed

__all__ = ["Paragraph", "phrase", "share", "summary_of"]

_SAID = (
    "exits_per_irq",
    "exits_per_operation",
    "user_exits_per_irq",
    "instructions_per_irq",
    "instructions_per_operation",
)
_TIMES = ("exec_to_first_instruction_s", "exec_to_init_s")


class Paragraph(NamedTuple):
    lead: str
    text: str


def summary_of(results: Results, comparison: Comparison) -> list[Paragraph]:
    """Of the counts, of the rates, of what the VMM costs: each in a paragraph of its own."""
    subject = subject_of(results)
    asked = comparison.overall or comparison.single
    rates = dict.fromkeys(each.metric.name for each in asked if each.metric.better is Better.HIGHER)
    where = "over all workloads together" if comparison.overall else "in its workload"
    shapes = " (shapes only, on an emulated board)" if results.machine.emulated else ""
    paragraphs = [
        Paragraph(f"Counts of {subject}, {where}.", _sentences(asked, _SAID)),
        Paragraph(f"Rates of {subject}{shapes}.", _sentences(asked, list(rates)[:3])),
        Paragraph(
            "The VMM's memory, however many run at once.", _sentences(comparison.costs, ["memory_mib"])
        ),
        Paragraph(f"The VMM's start{shapes}.", _sentences(comparison.costs, _TIMES)),
        Paragraph("Within single workloads.", _of_single(comparison)),
    ]
    said = [paragraph for paragraph in paragraphs if paragraph.text]
    if said:
        return said
    return [
        Paragraph("", f"Only {subject} ran: there is nothing to compare it with." if subject else "No runs.")
    ]


def phrase(metric: Metric) -> str:
    """The metric as it stands in a sentence: ``exits per interrupt``."""
    if metric.name == "rate_per_s":
        return "work per second"
    return f"{metric.label} {metric.unit}" if metric.unit.startswith("per ") else metric.label


def share(ratio: float) -> str:
    """``75 %``, ``0.4 %``, ``1,200 %``."""
    percent = 100 * ratio
    if percent >= 1e6:
        return "over 1,000,000 %"
    return f"{percent:,.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _sentences(differences: Sequence[Difference], names: Sequence[str]) -> str:
    wanted = [each for name in names for each in differences if each.metric.name == name]
    if wanted and all(each.verdict is Verdict.CANNOT_TELL for each in wanted):
        return f"We cannot tell with {_runs(wanted)} what differs and what is chance."
    groups = dict.fromkeys((each.metric, each.group) for each in wanted)
    return " ".join(
        _sentence([each for each in wanted if (each.metric, each.group) == group]) for group in groups
    )


def _sentence(found: Sequence[Difference]) -> str:
    """Of one metric in one group: what is real, then what is not."""
    place = "" if found[0].group is None else f"{found[0].group}, "
    parts = []
    if real := [each for each in found if each.verdict is Verdict.REAL]:
        parts.append(_listed([_difference(each) for each in real]))
    if names := [f"{each.reference}'s" for each in found if each.verdict is Verdict.EQUAL]:
        parts.append(f"in every run the same as {_listed(names)}")
    if names := [f"{each.reference}'s" for each in found if each.verdict is Verdict.NOT_SHOWN]:
        parts.append(f"not shown to differ from {_listed(names)}")
    if unknown := [each for each in found if each.verdict is Verdict.CANNOT_TELL]:
        names = [f"{each.reference}'s" for each in unknown]
        parts.append(f"whether it differs from {_listed(names, 'or')} we cannot tell with {_runs(unknown)}")
    said = f"{place}{phrase(found[0].metric)}: {'; '.join(parts)}."
    return said[0].upper() + said[1:] if not place else said


def _runs(unknown: Sequence[Difference]) -> str:
    fewest = min(each.n for each in unknown)
    return f"{fewest} run{'s' * (fewest != 1)}"


def _difference(found: Difference) -> str:
    if found.direction == 0:
        return f"other than {found.reference}'s, but not one way"
    if found.ratio is None:
        return f"{'fewer' if found.direction < 0 else 'more'} than {found.reference}'s"
    return f"{share(found.ratio)} of {found.reference}'s"


def _of_single(comparison: Comparison) -> str:
    """What becomes of the comparisons of single workloads, and how many runs they need."""
    if not comparison.overall or not comparison.single:
        return ""
    many = len(comparison.single)
    real = sum(difference.verdict is Verdict.REAL for difference in comparison.single)
    unknown = Counter(each.n for each in comparison.single if each.verdict is Verdict.CANNOT_TELL)
    words = [f"Of {many} comparisons {real} are real"]
    words += [f"{unknown[n]} cannot be told with {n} run{'s' * (n != 1)}" for n in sorted(unknown)]
    if unknown:
        words[-1] += f" ({runs_needed(many)} of each would do)"
    return f"{'; '.join(words)}."


def _listed(names: Sequence[str], last: str = "and") -> str:
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"
