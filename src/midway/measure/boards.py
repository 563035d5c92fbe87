# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/boards.md: what can be passed of Debian's boards, by vendor and by cause of refusal.

``python -m midway.measure.boards`` prints the figures; with ``--write DIRECTORY`` it makes the documents.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from midway.errors import MidwayError
from midway.measure.causes import CAUSES, cause_of
from midway.measure.census import census_lines, percent
from midway.measure.corpus import Board, Outcome, Survey, boards_in, need_debian_boards, survey
from midway.measure.packages import arm32_boards
from midway.passthrough.verdict import Verdict

__all__ = ["figures", "main", "refusals_page", "tables_page"]

_SEED, _SAMPLE = 2014, 100
_COMMAND = "python -m midway.measure.boards"


def figures(found: Survey) -> Iterator[str]:
    """The survey in a few lines."""
    counted = found.counted()
    verdicts = Counter(outcome.verdict for outcome in counted)
    passable = len(counted) - verdicts[Verdict.REFUSED]
    everything = [outcome for outcome in found.outcomes if outcome.counts or outcome.is_gic]
    yield f"{found.boards} boards, {len(found.outcomes)} devices, {len(found.errors)} errors"
    yield f"{len(counted)} have registers and interrupts and are not the board's GIC"
    yield f"{passable} of these can be passed: {percent(passable, len(counted))}"
    alone = passable - verdicts[Verdict.TOGETHER]
    yield f"{alone} alone, {verdicts[Verdict.TOGETHER]} together with named others"
    yield f"{verdicts[Verdict.REFUSED]} are refused"
    share = percent(passable, len(everything))
    yield f"with the GICs, which are refused: {passable} of {len(everything)}, {share}"


def tables_page(found: Survey, release: str) -> str:
    """docs/boards.md."""
    return "\n".join(
        [
            "# What can be passed of Debian's boards",
            "",
            f"Made by `{_COMMAND} --write docs` from the trees in Debian's kernel package",
            f"{release}; do not edit. Nodes count that are enabled and have registers and interrupts;",
            "the GIC itself does not: every guest has one of its own.",
            "",
            *(f"- {line}" for line in figures(found)),
            "",
            "## What is counted",
            "",
            "Another way to count asks only what a node states. The two numbers are close by chance:",
            "",
            *(f"- {line}" for line in census_lines(found.census)),
            "",
            "## By vendor",
            "",
            *_vendor_table(found.counted()),
            "",
            "## By cause of refusal",
            "",
            *_cause_table(found.counted()),
            "",
            "## Why each cause is one",
            "",
            *(f"- **{cause.title}**. {cause.why}" for cause in CAUSES),
            "",
            f"[A sample of {_SAMPLE} refusals](boards-refusals.md), each with its cause.",
            "",
        ]
    )


def refusals_page(found: Survey, release: str) -> str:
    """docs/boards-refusals.md: a sample with a fixed seed."""
    refused = [outcome for outcome in found.counted() if outcome.verdict is Verdict.REFUSED]
    chosen = random.Random(_SEED).sample(range(len(refused)), min(_SAMPLE, len(refused)))  # noqa: S311  # no secret
    return "\n".join(
        [
            f"# A sample of {len(chosen)} refusals",
            "",
            f"Drawn with seed {_SEED} from the {len(refused)} refusals on the boards of Debian's kernel",
            f"package {release}, by `{_COMMAND} --write docs`.",
            "Why each kind of cause is right: [boards](boards.md).",
            "",
            "| board | device | compatible | kind | cause |",
            "|---|---|---|---|---|",
            *(_sample_row(refused[at]) for at in sorted(chosen)),
            "",
        ]
    )


def _vendor_table(counted: Sequence[Outcome]) -> Iterator[str]:
    yield "| vendor | boards | devices | alone | together | refused | can be passed |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for vendor in sorted({outcome.board.vendor for outcome in counted}):
        theirs = [outcome for outcome in counted if outcome.board.vendor == vendor]
        boards = len({outcome.board.path for outcome in theirs})
        yield _row(vendor, boards, theirs)
    yield _row("all", len({outcome.board.path for outcome in counted}), counted)


def _row(title: str, boards: int, outcomes: Sequence[Outcome]) -> str:
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    refused, together = verdicts[Verdict.REFUSED], verdicts[Verdict.TOGETHER]
    passable = len(outcomes) - refused
    numbers = (
        boards,
        len(outcomes),
        passable - together,
        together,
        refused,
        percent(passable, len(outcomes)),
    )
    return f"| {title} | {' | '.join(map(str, numbers))} |"


def _cause_table(counted: Sequence[Outcome]) -> Iterator[str]:
    refused = [outcome for outcome in counted if outcome.verdict is Verdict.REFUSED]
    counts = Counter((outcome.board.vendor, cause_of(outcome)[0]) for outcome in refused)
    yield f"| vendor | {' | '.join(cause.title for cause in CAUSES)} |"
    yield f"|---|{'---:|' * len(CAUSES)}"
    for vendor in sorted({vendor for vendor, _ in counts}):
        yield f"| {vendor} | {' | '.join(str(counts[vendor, cause] or '') for cause in CAUSES)} |"
    totals = Counter(cause_of(outcome)[0] for outcome in refused)
    yield f"| all | {' | '.join(str(totals[cause]) for cause in CAUSES)} |"


def _sample_row(outcome: Outcome) -> str:
    cause, words = cause_of(outcome)
    compatible = outcome.compatible[0] if outcome.compatible else ""
    board = f"{outcome.board.vendor}/{outcome.board.name}"
    said = words.removeprefix(f"{cause.title}: ").replace("|", "/")
    return f"| {board} | `{outcome.device}` | `{compatible}` | {cause.title} | {said} |"


def main(words: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Plan every device of many boards.")
    parser.add_argument(
        "--trees", type=Path, metavar="DIRECTORY", help="DTBs in place of Debian's arm64 boards"
    )
    parser.add_argument("--arm32", action="store_true", help="Debian's 32-bit boards, which are fetched")
    parser.add_argument("--write", type=Path, metavar="DIRECTORY", help="make boards*.md there")
    arguments = parser.parse_args(words)
    try:
        if arguments.arm32:
            with arm32_boards() as directory:
                return _report(boards_in(directory), "for 32-bit Arm", arguments.write)
        release, directory = (
            (arguments.trees.name, arguments.trees) if arguments.trees else need_debian_boards()
        )
        return _report(boards_in(directory), release, arguments.write)
    except MidwayError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return error.exit_status


def _report(boards: Sequence[Board], release: str, write: Path | None) -> int:
    found = survey(boards)
    print("\n".join(figures(found)))
    print(f"planned in {found.seconds:.1f} s of one core")
    for error in found.errors:
        print(error, file=sys.stderr)
    if write is not None:
        try:
            (write / "boards.md").write_text(tables_page(found, release))
            (write / "boards-refusals.md").write_text(refusals_page(found, release))
        except OSError as error:
            raise MidwayError(f"writing to {write}", answer=error.strerror) from error
    return 1 if found.errors else 0


if __name__ == "__main__":
    sys.exit(main())
