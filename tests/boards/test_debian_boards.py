# SPDX-License-Identifier: Apache-2.0
"""Every device of every board in Debian's arm64 kernel package: a plan, and a sound tree for it."""

import random
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.measure.boards import refusals_page, tables_page
from midway.measure.causes import cause_of
from midway.measure.corpus import Board, Survey, boards_in, debian_boards, survey
from midway.measure.plain_tree import parse
from midway.measure.readback import dtc_warnings, faults_of, guests_of
from midway.passthrough.verdict import Verdict

DOCS = Path(__file__).parents[2] / "docs"
_AT_ONCE = 24


@pytest.fixture(scope="module")
def corpus() -> tuple[str, list[Board]]:
    """The kernel's release, and the boards."""
    found = debian_boards()
    if found is None:
        pytest.skip(
            "the lab's root, which has Debian's boards, is not in the cache: `midway lab up` makes it"
        )
    return found[0], boards_in(found[1])


@pytest.fixture(scope="module")
def surveyed(corpus: tuple[str, list[Board]]) -> Survey:
    """By all processors, some boards at a time."""
    boards = corpus[1]
    some_boards = [boards[at : at + _AT_ONCE] for at in range(0, len(boards), _AT_ONCE)]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        parts = list(processes.map(survey, some_boards))
    return Survey(
        sum(part.boards for part in parts),
        tuple(outcome for part in parts for outcome in part.outcomes),
        tuple(error for part in parts for error in part.errors),
        sum(part.seconds for part in parts),
        sum((part.census for part in parts), Counter()),
    )


def some(boards: list[Board], seed: int, count: int) -> list[Board]:
    return random.Random(seed).sample(boards, min(count, len(boards)))  # noqa: S311  # a sample, no secret


def test_every_device_of_every_board_gets_a_verdict_and_every_refusal_a_cause(surveyed: Survey) -> None:
    assert surveyed.errors == ()
    assert len(surveyed.outcomes) > 50 * surveyed.boards
    for outcome in surveyed.outcomes:
        assert (outcome.verdict is Verdict.REFUSED) == bool(outcome.refusals)
        assert (outcome.verdict is Verdict.TOGETHER) == bool(outcome.together)
        if outcome.refusals:
            assert all(cause_of(outcome))


def test_at_least_85_percent_can_be_passed(surveyed: Survey) -> None:
    counted = surveyed.counted()
    refused = sum(outcome.verdict is Verdict.REFUSED for outcome in counted)
    assert refused <= 0.15 * len(counted)


def test_no_boards_own_gic_can_be_passed(surveyed: Survey) -> None:
    assert {outcome.verdict for outcome in surveyed.outcomes if outcome.is_gic} == {Verdict.REFUSED}


def test_the_tables_in_the_documents_are_those_of_this_corpus(
    corpus: tuple[str, list[Board]], surveyed: Survey
) -> None:
    release, _ = corpus
    tables = (DOCS / "boards.md").read_text()
    if f"{release};" not in tables:
        pytest.skip(f"the documents are of another kernel package than {release}")
    assert tables == tables_page(surveyed, release), "python -m midway.measure.boards --write docs"
    assert (DOCS / "boards-refusals.md").read_text() == refusals_page(surveyed, release)


def test_every_tree_is_read_and_written_alike(corpus: tuple[str, list[Board]]) -> None:
    for board in some(corpus[1], 1, 40):
        root = read(board.path.read_bytes())
        assert read(write(root)) == root


def test_a_second_reader_and_dtc_find_every_promise_kept_in_guests_trees(
    corpus: tuple[str, list[Board]],
) -> None:
    for board in some(corpus[1], 2, 12):
        blob = board.path.read_bytes()
        host, known = parse(blob), dtc_warnings(blob)
        for guest in guests_of(board):
            assert list(faults_of(guest, host, known)) == []
