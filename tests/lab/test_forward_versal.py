# SPDX-License-Identifier: Apache-2.0
"""Forwarded interrupts on the Versal board (nVHE): DMA engines, whose registers are mapped.

Their descriptors have to lie below 4 GiB, so the guests run on a Versal whose huge page is there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import loads
from midway.lab.boards import board_named
from midway.lab.cache import Cache
from midway.lab.guest import GuestReport
from midway.lab.guest_modules import guest_modules
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard, start_board

if TYPE_CHECKING:
    from lab.conftest import BoardPool

WATCHER = Path(__file__).parent / "programs/active_interrupts.py"
ENGINES = tuple(f"ffa{number:x}0000.dma" for number in range(8, 16))
COPIES = 1000


@pytest.fixture(scope="module")
def low_versal(board_pool: "BoardPool") -> Iterator[RunningBoard]:
    """A Versal whose huge page, and so a guest's RAM, is at 1 GiB, and whose GIC can be looked at."""
    board_pool.close()
    with start_board(board_named("versal").with_memory(3072, "cma=0", "iomem=relaxed")) as board:
        yield board


@pytest.fixture
def modules(low_versal: RunningBoard) -> Iterator[Mapping[str, Path]]:
    """Drivers of Debian's kernel source that Debian does not build."""
    with guest_modules(Cache(), low_versal.root) as built:
        yield built


def options(*devices: str, mode: str = "forward", cpus: int = 1) -> tuple[str, ...]:
    named = (word for device in devices for word in ("--device", f"{device},irq={mode}"))
    return ("--memory", "1024", "--cpus", str(cpus), *named)


def worked(report: GuestReport, copies: int) -> None:
    assert (report.value("dma_failures"), report.value("dma_tests")) == ("0", str(copies))
    assert report.status == 0


@pytest.mark.parametrize("mode", ["irqfd", "forward"])
def test_every_interrupt_of_a_busy_dma_engine_arrives(
    low_versal: RunningBoard, modules: Mapping[str, Path], mode: str
) -> None:
    report = run_guest(low_versal, loads.dma_load(modules, COPIES), options(ENGINES[0], mode=mode))
    worked(report, COPIES)
    busy = report.interval(2, 3)
    assert int(report.value("dma_interrupts")) == busy["interrupts"] >= COPIES
    assert busy["user_exits"] == 0


def host_intids(board: RunningBoard, devices: Sequence[str]) -> set[int]:
    """The physical interrupt of each device, by its node."""
    nodes = (f"/sys/bus/platform/devices/{device}/of_node/interrupts" for device in devices)
    return {32 + int.from_bytes(board.get(node)[4:8]) for node in nodes}


def test_more_lines_than_list_registers_are_active_at_once_and_each_is_completed(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    copies = 20
    low_versal.put("/run/active_interrupts.py", WATCHER.read_bytes())
    watcher = low_versal.start(["python3", "/run/active_interrupts.py"])
    answers = watcher.lines(120)
    assert next(answers) == "watching"
    task = loads.held_dma(modules, len(ENGINES), copies)
    with GuestRun(low_versal, task, options(*ENGINES)) as guest:
        assert guest.wait_for("held") == str(len(ENGINES))
        watcher.write(b"\n")
        seen = json.loads(next(answers))
        guest.write(b"go\n")
        report = guest.finish()
    watcher.close_input()
    assert not list(answers)
    assert set(seen["active"]) == set(seen["pending"]) == host_intids(low_versal, ENGINES)
    assert 1 <= seen["list_registers"] < len(seen["active"])
    assert seen["overflows"] > 0
    assert report.value("taken_while_held") == "0"
    worked(report, copies * len(ENGINES))
    lines = report.summary["final"]["lines"]
    assert sum(line["forwarded"] for line in lines) == int(report.value("dma_interrupts"))
    assert all(line["mode"] == "forward" and line["host"] == line["forwarded"] == copies for line in lines)


def test_eight_engines_on_one_cpu_lose_nothing(low_versal: RunningBoard, modules: Mapping[str, Path]) -> None:
    report = run_guest(low_versal, loads.dma_load(modules, 50), options(*ENGINES))
    worked(report, 50 * len(ENGINES))
    assert int(report.value("dma_interrupts")) == report.interval(2, 3)["interrupts"]
    lines = report.summary["final"]["lines"]
    assert [line["mode"] for line in lines] == ["forward"] * len(ENGINES)
    assert all(line["forwarded"] == line["host"] > 0 for line in lines)


def test_handlers_in_threads_cost_one_more_interrupt_each_and_no_storm(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    task = loads.dma_load(modules, 200, append="threadirqs")
    report = run_guest(low_versal, task, options(ENGINES[0]))
    worked(report, 200)
    (line,) = report.summary["final"]["lines"]
    assert 200 <= line["host"] <= 2 * int(report.value("dma_interrupts"))
    assert "forward-early" in {finding["code"] for finding in report.summary["findings"]}
    assert line["mode"] == "forward"


def test_a_guest_that_tampers_with_the_interrupt_harms_nobody(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    copies = 5 * COPIES  # so many that the engine is still at work when the guest begins to tamper
    task = loads.dma_load(modules, copies, rounds=50)
    report = run_guest(low_versal, task, options(ENGINES[0], cpus=2))
    worked(report, copies)
    assert int(report.value("rounds")) > 0
    again = run_guest(low_versal, loads.dma_load(modules, 20), options(ENGINES[0]))
    worked(again, 20)
