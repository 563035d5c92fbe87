# SPDX-License-Identifier: Apache-2.0
"""``midway bench compare`` and ``midway bench report``: what becomes of results."""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midway.bench.results import Results, load
from midway.cli.actions import add_action
from midway.cli.tables import print_table, printable
from midway.errors import UsageError

if TYPE_CHECKING:
    from midway.bench.metrics import Key
    from midway.bench.questions import Comparison
    from midway.bench.statistics import Difference

__all__ = ["add_actions"]


def add_actions(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = add_action(
        actions, "compare", "say which differences between two results files are real", _compare
    )
    compare.add_argument("before", type=Path, metavar="A", help="a results.json")
    compare.add_argument("after", type=Path, metavar="B", help="another, which is compared with it")
    compare.add_argument("--json", action="store_true", help="print it as JSON")
    compare.add_argument(
        "--fail-if-worse",
        type=float,
        metavar="PERCENT",
        help="exit with status 1 if anything is really worse, by more than this, or missing in B",
    )

    report = add_action(
        actions, "report", "make the report of a results file: a page, and its charts", _report
    )
    report.add_argument("results", type=Path, metavar="RESULTS.json")
    report.add_argument(
        "directory", type=Path, metavar="DIR", help="gets report.html, results.json and charts/bench-*"
    )


def _report(arguments: argparse.Namespace) -> int:
    from midway.bench.report import write_report

    write_report(load(arguments.results), arguments.directory)
    print(arguments.directory / "report.html")
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    limit: float | None = arguments.fail_if_worse
    if limit is not None and not 0 <= limit < math.inf:
        raise UsageError("--fail-if-worse is a percentage, 0 or more")
    from midway.bench.limits import tidied
    from midway.bench.questions import compare_files, only_in

    before, after = tidied(load(arguments.before)), tidied(load(arguments.after))
    comparison = compare_files(before, after)
    missing = only_in(before, after)
    for warning in (
        *_noted("A", before),
        *_noted("B", after),
        *_unlike(before, after),
        *(f"only in A: {_called(key)}" for key in missing),
        *(f"only in B: {_called(key)}" for key in only_in(after, before)),
    ):
        print(f"midway: {printable(warning)}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(_as_json(comparison), indent=2))
    else:
        _show(comparison, is_emulated=before.machine.emulated or after.machine.emulated)
    if limit is None:
        return 0
    return 1 if _any_worse(comparison, limit) or missing else 0


def _any_worse(comparison: "Comparison", limit: float) -> bool:
    """Whatever is worse by more than `limit` percent is named, and what cannot be told of that is counted."""
    from midway.bench.statistics import Verdict

    worse = [found for found in _all(comparison) if found.worse_by > limit]
    real = [found for found in worse if found.verdict is Verdict.REAL]
    unknown = sum(found.verdict is Verdict.CANNOT_TELL for found in worse)
    for found in real:
        print(
            f"midway: {printable(_place(found))}: {found.metric.label} {_percent(found.worse_by)} worse",
            file=sys.stderr,
        )
    if unknown:
        print(
            f"midway: {unknown} more look worse by more than {limit:g} %, which so few runs cannot tell",
            file=sys.stderr,
        )
    return bool(real)


def _noted(name: str, results: Results) -> Iterator[str]:
    """What was noted when they were measured: what failed, for instance."""
    return (f"{name} notes: {note}" for note in results.notes)


def _called(key: "Key") -> str:
    from midway.bench.metrics import metric_named
    from midway.bench.words import phrase

    place = ", ".join(name for name in (key.group, key.variant) if name)
    return f"{place}: {phrase(metric_named(key.metric))}" if key.metric else place


def _unlike(before: Results, after: Results) -> Iterator[str]:
    """What else than the change under test may make a difference."""
    first, second = before.machine, after.machine
    for what, a, b in (
        ("machine", first.name, second.name),
        ("device", before.device, after.device),
        ("emulation", first.emulated, second.emulated),
        ("processors", first.processors, second.processors),
        ("memory (MB)", first.memory_mb, second.memory_mb),
    ):
        if a != b:
            yield f"not the same {what}: {a} and {b}"
    for name in sorted(first.versions.keys() | second.versions.keys()):
        a, b = first.versions.get(name, "none"), second.versions.get(name, "none")
        if a != b:
            yield f"not the same version of {name}: {a} and {b}"


def _show(comparison: "Comparison", *, is_emulated: bool) -> None:
    """Counts and rates in tables of their own."""
    found = list(_all(comparison))
    if not found:
        print("the two have nothing in common that could be compared")
    for is_count, title in ((True, "counts"), (False, "rates and times")):
        rows = [_row(difference) for difference in found if difference.metric.is_count is is_count]
        if rows:
            note = ", which are shapes only: emulated" if is_emulated and not is_count else ""
            print(f"\n{title}{note}")
            print_table(("", "metric", "A", "B", "B / A", "difference"), rows)


def _all(comparison: "Comparison") -> Iterator["Difference"]:
    yield from comparison.overall
    yield from comparison.costs
    yield from comparison.single


def _row(found: "Difference") -> Sequence[str]:
    from midway.bench.chart_style import shown
    from midway.bench.words import phrase, share

    medians = ("", "") if found.medians is None else tuple(map(shown, found.medians))
    ratio = "" if found.ratio is None else share(found.ratio)
    return (_place(found), phrase(found.metric), *medians, ratio, found.words)


def _place(found: "Difference") -> str:
    return f"{found.group or 'all'}, {found.candidate}"


def _percent(worse: float) -> str:
    return "from nothing: infinitely" if worse == math.inf else f"{worse:.3g} %"


def _as_json(comparison: "Comparison") -> dict[str, Any]:
    """`overall` has no group and no medians; `costs` are of VMMs, however many run at once."""
    return {
        name: [
            {
                "group": found.group,
                "variant": found.candidate,
                "metric": found.metric.name,
                "is_count": found.metric.is_count,
                "medians": found.medians,
                "ratio": found.ratio,
                "interval": found.interval,
                "p": found.p,
                "p_corrected": found.adjusted,
                "n": found.n,
                "verdict": found.words,
            }
            for found in differences
        ]
        for name, differences in comparison._asdict().items()
    }
