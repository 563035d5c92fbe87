# SPDX-License-Identifier: Apache-2.0
"""The command's own part: signals before, during and after the guest, and what is reported."""

import argparse
import io
import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from midway.cli import main
from midway.cli import run as command
from midway.errors import DeviceError, MidwayError, UsageError
from midway.findings import Finding, Severity
from midway.host.signals import heard_by
from midway.vm.machine import Machine
from midway.vm.marks import LineCount, Snapshot, VcpuCount
from midway.vm.outcome import End, Outcome
from midway.vm.summary import RunSummary


class Guest:
    """A machine that runs until it is stopped, or ends when it is started with `outcome`."""

    def __init__(self, *, signals: int = 0) -> None:
        self.stopped: list[Outcome | None] = []
        self._signals = signals
        self._waits = 0

    def start(self) -> None:
        for _ in range(self._signals):
            signal.raise_signal(signal.SIGTERM)

    def wait(self, _: float) -> Outcome | None:
        self._waits += 1
        return Outcome(End.POWER_OFF) if self._waits > 1 else None

    def stop(self, outcome: Outcome | None = None) -> None:
        self.stopped.append(outcome)

    def machine(self) -> Machine:
        return cast(Machine, self)


def test_a_signal_before_the_guest_runs_unwinds_everything() -> None:
    stopping = command._Stopping()
    with pytest.raises(command._Interrupted) as caught, heard_by(stopping.requested):
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.number == signal.SIGTERM


def test_a_signal_while_the_guest_runs_stops_it() -> None:
    guest, stopping = Guest(signals=1), command._Stopping()
    with heard_by(stopping.requested):
        stopping.start(guest.machine())
        stopping.wait(guest.machine())
    assert guest.stopped == [Outcome(End.STOPPED, signal=signal.SIGTERM)]


def test_a_signal_when_all_is_ending_changes_nothing() -> None:
    guest, stopping = Guest(), command._Stopping()
    with heard_by(stopping.requested):
        stopping.start(guest.machine())
        stopping.wait(guest.machine())
        signal.raise_signal(signal.SIGTERM)
    assert guest.stopped == []


RESET = Outcome(End.RESET, "asked")
NOTE = Finding("one", Severity.NOTE, "guest", "known since the plan")
LATE = Finding("two", Severity.NOTE, "guest", "found while it ran")


def summary(outcome: Outcome = RESET) -> RunSummary:
    final = Snapshot(
        -1,
        2.5,
        (VcpuCount(0, {"exits": 1200}, {"mmio": 30}),),
        (LineCount("ff0d0000.ethernet", 0, 1, "irqfd", 12, 0),),
    )
    return RunSummary(
        outcome,
        0.5,
        2.5,
        16_000_000,
        1 << 29,
        final,
        (),
        (),
        (NOTE, LATE),
        marks_not_kept=4,
    )


def test_the_end_is_told_in_lines_with_what_was_not_told_before(capsys: pytest.CaptureFixture[str]) -> None:
    command._report(argparse.Namespace(json=None), summary(), known=1)
    printed = capsys.readouterr().err
    assert all(line.startswith("midway: ") for line in printed.splitlines())
    assert "reset: asked after 2.50 s" in printed
    assert "1200 exits, 30 to user space; 16.0 MB" in printed
    assert "ff0d0000.ethernet line 0 -> SPI 1, irqfd: 12 interrupts" in printed
    assert LATE.cause in printed
    assert NOTE.cause not in printed


def test_the_summary_is_written_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "summary"
    command._report(argparse.Namespace(json=path), summary(), known=2)
    capsys.readouterr()
    found = json.loads(path.read_text())
    assert (found["outcome"], found["exit_status"], found["rss_mb"]) == ("reset", 3, 16.0)
    assert [finding["code"] for finding in found["findings"]] == ["one", "two"]
    assert found["marks_not_kept"] == 4


def test_a_guest_says_nothing_to_the_terminal_with_its_panic(capsys: pytest.CaptureFixture[str]) -> None:
    ended = Outcome(End.PANIC, "Kernel panic - not syncing: \x1b]0;title\x07\x1b[2J\x0bmidway: all is well")
    command._report(argparse.Namespace(json=None), summary(ended), known=2)
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith(
        "midway: panic: Kernel panic - not syncing: ?]0;title??[2J?midway: all is well after"
    )


class LeftReader(io.StringIO):
    """What a pipe is when its reader has gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_a_reader_who_left_does_not_change_how_the_guest_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", LeftReader())
    command._report(argparse.Namespace(json=tmp_path / "summary"), summary(), known=0)
    assert json.loads((tmp_path / "summary").read_text())["outcome"] == "reset"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(MidwayError, match=r"writing .*/none/summary: No such file"):
        command._report(argparse.Namespace(json=tmp_path / "none/summary"), summary(), known=2)


def test_without_standard_output_there_is_no_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.__stdout__", None)
    with pytest.raises(UsageError, match="standard output is closed"):
        command._standard_files()


def test_the_end_is_told_even_if_its_file_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(MidwayError):
        command._report(argparse.Namespace(json=tmp_path), summary(), known=2)
    assert "reset: asked after 2.50 s" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--dump-dtb", "--dump-plan", "--json"])
def test_a_place_that_cannot_be_written_is_named_before_anything_else_fails(
    tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "none/new"
    assert main(["run", "--kernel", "/nonexistent", option, str(place)]) == 1
    assert f"writing {place}" in capsys.readouterr().err


class GuestWithSummary(Guest):
    plan = SimpleNamespace(findings=())

    def summary(self) -> RunSummary:
        return summary()


def test_a_device_that_cannot_be_given_back_does_not_hide_how_the_guest_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def machine(*_: object, **__: object) -> Iterator[Machine]:
        yield GuestWithSummary().machine()
        raise DeviceError("giving it back to macb", device="ff0d0000.ethernet", answer="it is not loaded")

    monkeypatch.setattr(command, "open_machine", machine)
    told = tmp_path / "summary"
    with (tmp_path / "console").open("wb") as console:
        monkeypatch.setattr(command, "_standard_files", lambda: (None, console.fileno()))
        assert main(["run", "--kernel", "Image", "--json", str(told)]) == 1
    printed = capsys.readouterr().err
    assert printed.index("reset: asked") < printed.index("giving it back to macb")
    assert json.loads(told.read_text())["outcome"] == "reset"
