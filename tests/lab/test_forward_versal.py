# SPDX-License-Identifier: Apache-2.0
"""Forwarded interrupts on the Versal board (nVHE): DMA engines, whose registers are mapped.

Their descriptors have to lie below 4 GiB, so the guests run on a Versal whose huge page is there.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import tasks
from midway.lab.boards import board_named
from midway.lab.cache import Cache
from midway.lab.guest import GuestReport
from midway.lab.guest_modules import guest_modules
from midway.lab.guest_run import run_guest
from midway.lab.running import RunningBoard, start_board

if TYPE_CHECKING:
    from lab.conftest import BoardPool

ENGINES = tuple(f"ffa{number:x}0000.dma" for number in range(8, 16))
COPIES = 1000


@pytest.fixture(scope="module")
def low_versal(board_pool: "BoardPool") -> Iterator[RunningBoard]:
    """A Versal whose huge page, and so a guest's RAM, is at 1 GiB."""
    board_pool.close()
    with start_board(board_named("versal").with_memory(3072, "cma=0")) as board:
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


def load(board: RunningBoard, modules: Mapping[str, Path], mode: str) -> float:
    """Exits for one interrupt of one engine under load."""
    report = run_guest(board, tasks.dma_load(modules, COPIES), options(ENGINES[0], mode=mode))
    worked(report, COPIES)
    busy = report.interval(2, 3)
    assert int(report.value("dma_interrupts")) == busy["interrupts"] >= COPIES
    assert busy["user_exits"] == 0
    return float(busy["exits"]) / int(busy["interrupts"])


def test_a_forwarded_interrupt_of_a_dma_engine_saves_an_exit_and_none_is_lost(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    assert load(low_versal, modules, "irqfd") - load(low_versal, modules, "forward") >= 0.95


def test_eight_engines_have_more_interrupts_than_there_are_list_registers(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    report = run_guest(low_versal, tasks.dma_load(modules, 50), options(*ENGINES))
    worked(report, 50 * len(ENGINES))
    assert int(report.value("dma_interrupts")) == report.interval(2, 3)["interrupts"]
    lines = report.summary["final"]["lines"]
    assert [line["mode"] for line in lines] == ["forward"] * len(ENGINES)
    assert all(line["forwarded"] == line["host"] > 0 for line in lines)


def test_handlers_in_threads_cost_one_more_interrupt_each_and_no_storm(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    task = tasks.dma_load(modules, 200, append="threadirqs")
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
    task = tasks.dma_load(modules, copies, rounds=50)
    report = run_guest(low_versal, task, options(ENGINES[0], cpus=2))
    worked(report, copies)
    assert int(report.value("rounds")) > 0
    again = run_guest(low_versal, tasks.dma_load(modules, 20), options(ENGINES[0]))
    worked(again, 20)
