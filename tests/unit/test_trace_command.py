# SPDX-License-Identifier: Apache-2.0
"""The commands `trace` and `mode`, with a VM and a recording that are made up."""

import json
from pathlib import Path
from typing import Any

import pytest

from midway.cli import main
from midway.config import InterruptMode
from midway.measure import trace
from midway.measure.exits import classify
from midway.measure.trace import LineTrace
from midway.measure.trace_events import parse_trace
from midway.measure.trace_lives import lives_of, typical
from midway.vm import running
from midway.vm.running import DeviceStatus, LineStatus, VmStatus
from unit import trace_texts as texts

NIC = "ff0d0000.ethernet"


def recorded(text: str, lost: int = 0) -> LineTrace:
    events = list(parse_trace(text.splitlines()))
    lives = list(lives_of(events, texts.SPI, texts.IRQ))
    counts = classify(events, texts.SPI, texts.IRQ)
    return LineTrace(
        NIC, 0, texts.SPI, texts.IRQ, InterruptMode.FORWARD, 1.0, counts, lost, len(lives), typical(lives)
    )


def test_the_trace_is_drawn_written_and_summed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trace, "record_line", lambda *_: recorded(texts.FORWARD))
    svg, counts = tmp_path / "svg", tmp_path / "json"
    assert main(["trace", NIC, "--svg", str(svg), "--json", str(counts)]) == 0
    said = capsys.readouterr().out
    assert "vGIC" in said
    assert (
        "forward: 1 interrupts in 1.00 s; exits for each: 1.00 delivery, 0.00 completion, 1.00 other" in said
    )
    assert svg.read_text().startswith("<svg")
    assert json.loads(counts.read_text())["exits"] == {
        "delivery": 1,
        "completion": 0,
        "merged": 0,
        "other": {"WFx": 1},
    }


def test_lost_events_are_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(trace, "record_line", lambda *_: recorded(texts.FORWARD, lost=12))
    assert main(["trace", NIC]) == 0
    assert "12 events LOST" in capsys.readouterr().out


def test_without_a_whole_interrupt_there_are_counts_and_no_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trace, "record_line", lambda *_: recorded(""))
    assert main(["trace", NIC]) == 0
    said = capsys.readouterr().out
    assert "no interrupt was seen" in said
    assert "0 interrupts" in said


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "61"])
def test_a_recording_takes_more_than_no_time_and_at_most_a_minute(seconds: str) -> None:
    assert main(["trace", NIC, f"--seconds={seconds}"]) == 2


class Vm:
    """Two lines, whose modes are remembered."""

    def __init__(self) -> None:
        self.modes = {0: InterruptMode.IRQFD, 1: InterruptMode.IRQFD}

    def ask(self, request: str, **arguments: Any) -> None:
        assert request == "set-mode"
        self.modes[arguments["line"]] = arguments["mode"]

    def status(self) -> VmStatus:
        lines = tuple(LineStatus(NIC, number, number + 1, mode, 5, 0) for number, mode in self.modes.items())
        return VmStatus(1, 1.0, 512, (2,), (DeviceStatus(NIC, "direct", lines),))


@pytest.fixture
def vm(monkeypatch: pytest.MonkeyPatch) -> Vm:
    found = Vm()
    monkeypatch.setattr(running, "vm_with", lambda _: (found, found.status()))
    return found


def test_the_modes_of_a_devices_lines_are_shown(vm: Vm, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mode", NIC]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{NIC} line 0 -> SPI 1, irqfd: 5 interrupts",
        f"{NIC} line 1 -> SPI 2, irqfd: 5 interrupts",
    ]
    assert set(vm.modes.values()) == {InterruptMode.IRQFD}


@pytest.mark.parametrize(("option", "changed"), [((), {0, 1}), (("--line", "1"), {1})])
def test_the_mode_is_changed_of_all_lines_or_of_one(
    vm: Vm, option: tuple[str, ...], changed: set[int]
) -> None:
    assert main(["mode", NIC, "forward", *option]) == 0
    assert {line for line, mode in vm.modes.items() if mode is InterruptMode.FORWARD} == changed


def test_a_line_that_is_not_there_has_no_mode(vm: Vm) -> None:
    assert main(["mode", NIC, "forward", "--line", "7"]) == 1
    assert InterruptMode.FORWARD not in vm.modes.values()
