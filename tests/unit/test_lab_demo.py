# SPDX-License-Identifier: Apache-2.0
"""What the demonstration promises is what its exit status depends on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from midway.cli import lab_experiments, main
from midway.errors import LabError
from midway.lab import demo
from midway.lab.demo_report import failures
from midway.lab.guest import GuestReport
from midway.lab.running import RunningBoard

HELD: dict[str, Any] = {
    "board": "versal",
    "kernel": "6.1.0-9-arm64",
    "device": "ff0d0000.ethernet",
    "taken_from": "macb",
    "dma": "direct",
    "regions": {"mapped": 1, "trapped": 0},
    "irq": {"mode": "forward", "host": 185, "guest": 185, "user_exits_per_irq": 0.0, "exits_per_irq": 1.2},
    "ping": {"sent": 20, "received": 20},
    "download": {"bytes": 8 << 20, "sha256_ok": True},
    "host_nic": {"sha256_ok": True},
    "vmm": {"rss_mb": 20.0, "exec_to_first_instruction_s": 1.0},
    "guest": {"boot_s": 5.0},
    "released": {"driver": "macb", "link_up": True, "sha256_ok": True},
    "findings": [],
}


def with_one_changed(path: str, value: object) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(HELD))
    *sections, name = path.split(".")
    place = result
    for section in sections:
        place = place[section]
    place[name] = value
    return result


def test_a_crossing_that_held_everything_has_no_failures() -> None:
    assert failures(HELD) == []


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("ping.received", 19, "pings"),
        ("download.sha256_ok", False, "the guest's download"),
        ("host_nic.sha256_ok", False, "the host's own download"),
        ("irq.guest", 184, "not as many interrupts"),
        ("irq.user_exits_per_irq", 0.1, "user space"),
        ("regions.trapped", 1, "registers"),
        ("released.driver", "vfio-forward", "not back with the driver"),
        ("released.link_up", False, "link"),
        ("released.sha256_ok", False, "after the device's return"),
    ],
)
def test_each_promise_that_was_broken_is_a_failure(path: str, value: object, sentence: str) -> None:
    (failure,) = failures(with_one_changed(path, value))
    assert sentence in failure


def test_no_traffic_at_all_is_no_success() -> None:
    assert failures(with_one_changed("irq", HELD["irq"] | {"host": 0, "guest": 0}))
    assert failures(with_one_changed("ping", {"sent": 0, "received": 0}))


def test_by_way_of_user_space_interrupts_pass_through_it() -> None:
    assert (
        failures(with_one_changed("irq", HELD["irq"] | {"mode": "userspace", "user_exits_per_irq": 2.0}))
        == []
    )


@pytest.mark.parametrize(("guest", "status"), [(185, 0), (184, 1)])
def test_the_commands_status_says_whether_all_held(
    guest: int,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def no_board(*_: object, **__: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(lab_experiments, "start_board", no_board)
    monkeypatch.setattr(demo, "run_demo", lambda *_: with_one_changed("irq.guest", guest))
    path = tmp_path / "result.json"
    assert main(["lab", "demo", "--json", str(path)]) == status
    assert json.loads(path.read_text())["irq"]["guest"] == guest
    assert ("failed:" in capsys.readouterr().out) is bool(status)


def crossing(report: GuestReport) -> Mapping[str, Any]:
    board = cast(RunningBoard, SimpleNamespace(board=SimpleNamespace(name="versal"), root=MagicMock()))
    download = demo.HostDownload("0", "macb", True)
    return demo._result(board, "0", "macb", report, download, download)


def test_a_guest_that_did_not_come_up_is_told_in_its_vmms_words() -> None:
    with pytest.raises(LabError, match="no huge page is free"):
        crossing(GuestReport(1, {}, {}, "", "no huge page is free"))


def test_a_crossing_without_an_interrupt_or_a_download_is_one_that_failed() -> None:
    said = {"interrupts": "0", "ping_sent": "20", "ping_received": "0", "bytes": "", "sha256": ""}
    summary = {
        "devices": [{"dma": "direct", "mapped": 1, "trapped": 0}],
        "intervals": [{"from": 2, "to": 3, "interrupts": 0, "exits": 7, "user_exits": 0}],
        "final": {"lines": [{"mode": "forward"}]},
        "marks": [{"seconds": 1.0}],
        "rss_mb": 20.0,
        "exec_to_first_run_s": 1.0,
        "findings": [],
    }
    found = crossing(GuestReport(0, said, summary, "", ""))
    assert (found["irq"]["host"], found["download"]["bytes"]) == (0, 0)
    assert failures(found)
