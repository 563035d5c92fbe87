# SPDX-License-Identifier: Apache-2.0
"""The survey of many boards, on a directory of two."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from midway.devicetree.write import write
from midway.measure.boards import main
from midway.measure.check import main as check
from midway.measure.corpus import boards_in, survey
from midway.measure.schema import main as schema
from unit.dts import BOARD, compiled


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    (tmp_path / "trees/vendor").mkdir(parents=True)
    (tmp_path / "trees/vendor/good.dtb").write_bytes(write(compiled(BOARD)))
    return tmp_path / "trees"


def test_every_device_has_an_outcome_and_a_broken_board_is_an_error_of_its_own(boards: Path) -> None:
    (boards / "vendor/bad.dtb").write_bytes(b"no tree")
    found = survey(boards_in(boards))
    assert found.boards == 2
    assert {outcome.board.name for outcome in found.outcomes} == {"good"}
    (error,) = found.errors
    assert error.startswith("vendor/bad: reading a device tree")


def test_the_tables_are_written_and_the_figures_printed(
    boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--trees", str(boards), "--write", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 boards" in said
    assert "can be passed: " in said
    tables = (tmp_path / "boards.md").read_text()
    assert "| vendor | 1 |" in tables
    assert (tmp_path / "boards-refusals.md").read_text().startswith("# A sample of ")


def test_guests_trees_are_read_back_and_no_promise_is_found_broken(
    boards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(["--trees", str(boards)]) == 0
    assert " 0 faults" in capsys.readouterr().out


@pytest.mark.parametrize("command", [main, check, schema], ids=["boards", "check", "schema"])
@pytest.mark.parametrize(
    ("place", "why"), [("empty", "it has no .dtb"), ("nowhere", "there is no such directory")]
)
def test_a_place_without_boards_is_an_error(
    command: Callable[[Sequence[str]], int],
    place: str,
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    assert command(["--trees", str(tmp_path / place)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"looking for boards in {tmp_path / place}: {why}" in said.err


@pytest.mark.parametrize("size", ["2", "0", "-1"])
def test_a_sample_that_cannot_be_drawn_is_an_error(
    boards: Path, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert schema(["--trees", str(boards), "--schemas", str(boards), f"--sample={size}"]) == 2
    assert f"choosing {size} boards: there are 1" in capsys.readouterr().err


def test_tables_that_cannot_be_written_are_an_error(
    boards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--trees", str(boards), "--write", str(tmp_path / "nowhere")]) == 1
    assert f"writing to {tmp_path / 'nowhere'}: No such file or directory" in capsys.readouterr().err
