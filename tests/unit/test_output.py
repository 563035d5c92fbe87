# SPDX-License-Identifier: Apache-2.0
"""Files that commands leave: named when they cannot be written, and never half of one in place of a whole."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from midway.bench.table import runs_table
from midway.cli import main
from midway.cli.tables import console
from midway.errors import MidwayError
from midway.output import check_writable, command_line, replace_file, write_file
from unit.bench_examples import made_up


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: what goes beyond `size` bytes is refused, and what came before is there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_place_that_cannot_be_written_is_named_before_anything_is_done(tmp_path: Path) -> None:
    check_writable(tmp_path / "new")
    for path, answer in ((tmp_path, "Is a directory"), (tmp_path / "none/new", "none is not there")):
        with pytest.raises(MidwayError, match=f"writing {path}: .*{answer}"):
            check_writable(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "lab demo --json {}/x",
        "lab irq-cost --json {}/x",
        "lab vmm-cost --json {}/x",
        "lab bench --output {}-report --json {}/x",
        "lab trace-pictures {}",
        "bench vmm-cost --json {}/x",
        "trace eth0 --json {}/x",
        "trace eth0 --svg {}/x",
    ],
)
def test_commands_that_take_long_say_so_before_they_begin(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def begun(*_: object, **__: object) -> NoReturn:
        pytest.fail("it began")

    for name in ("cli.lab_experiments", "lab.irq_cost", "lab.vmm_cost", "lab.bench", "lab.trace_pictures"):
        monkeypatch.setattr(f"midway.{name}.start_board", begun)
    for name in ("lab.bench.start_pair", "bench.vmm_cost.scratch_directory", "measure.trace.record_line"):
        monkeypatch.setattr(f"midway.{name}", begun)
    assert main(command.replace("{}", str(tmp_path / "none")).split()) == 1
    assert capsys.readouterr().err.startswith(f"midway: writing {tmp_path / 'none'}/")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for write in (write_file, replace_file):
        with pytest.raises(MidwayError, match=r"writing .*/none/file: No such file"):
            write(tmp_path / "none/file", "text")


def test_what_cannot_be_replaced_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    replace_file(path, "before")
    with files_of_at_most(3), pytest.raises(MidwayError, match=r"writing .*results\.json: File too large"):
        replace_file(path, "after it")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_one_when_its_file_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    replace_file(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def test_what_is_no_file_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        replace_file(pipe, "text")
        assert os.read(reader, 100) == b"text"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_command_that_is_no_utf_8_can_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["midway", "bench", os.fsdecode(b"a \xff.json")])
    assert command_line().encode() == b"midway bench 'a \\udcff.json'"


def test_a_benchmarks_table_is_whole_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    results = made_up(repetitions=1, modes=("irqfd",))
    named = [msgspec.structs.replace(run, workload=30 * run.workload) for run in results.runs]
    console().print(runs_table(named, emulated=True))
    printed = capsys.readouterr().out
    assert all(run.workload in printed for run in named)
