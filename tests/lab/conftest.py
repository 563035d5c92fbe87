# SPDX-License-Identifier: Apache-2.0
"""Boards for tests, and what happens to a test whose board dies under it.

A test asks for a board by the fixtures `versal`, `virt`, `virt_gicv2`, or `each_board`.  Boards are booted
once and shared; only one runs at a time in a process, and tests are sorted so that each is booted once.  Of
several processes (pytest -n) each takes all tests of a board, or of a module that runs boards of its own.

A test on a board that was lost has no verdict: it is reported as LOST and run once more on a new board, and
only a second loss is an error.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack

import pytest
from _pytest.runner import runtestprotocol

from midway.errors import BoardLostError
from midway.lab import RunningBoard, board_named, start_board

_FIXTURES = {"versal": "versal", "virt": "virt", "virt_gicv2": "virt-gicv2"}
_LOST = "lost"


class BoardPool:
    """The board that runs at the moment, replaced when another is asked for or when it was lost."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: RunningBoard | None = None

    def board(self, name: str) -> RunningBoard:
        running = self._running
        if running is None or running.board.name != name or running.is_lost:
            self.close()
            self._running = self._stack.enter_context(start_board(board_named(name)))
        assert self._running is not None
        return self._running

    def close(self) -> None:
        """Power off, for tests that run boards of their own."""
        self._running = None
        self._stack.close()


@pytest.fixture(scope="session")
def emulation() -> None:
    """Skips where no board can be emulated at all."""
    if shutil.which("qemu-system-aarch64") is None:
        pytest.skip("this machine cannot emulate a board: qemu-system-aarch64 is not installed")


@pytest.fixture(scope="session")
def board_pool(emulation: None) -> Iterator[BoardPool]:  # noqa: ARG001
    pool = BoardPool()
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture
def versal(board_pool: BoardPool) -> RunningBoard:
    """The booted `versal` board, with the driver loaded."""
    return board_pool.board("versal")


@pytest.fixture
def virt(board_pool: BoardPool) -> RunningBoard:
    """The booted `virt` board, with the driver loaded."""
    return board_pool.board("virt")


@pytest.fixture
def virt_gicv2(board_pool: BoardPool) -> RunningBoard:
    """The booted `virt-gicv2` board, with the driver loaded."""
    return board_pool.board("virt-gicv2")


@pytest.fixture(params=["versal", "virt"])
def each_board(request: pytest.FixtureRequest, board_pool: BoardPool) -> RunningBoard:
    """The test runs on the `versal` and on the `virt` board."""
    return board_pool.board(request.param)


@pytest.fixture
def no_board(board_pool: BoardPool) -> None:
    """No shared board runs; for tests that run boards of their own."""
    board_pool.close()


def _board_of(item: pytest.Item) -> str:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    names = getattr(item, "fixturenames", ())
    wanted = [board for fixture, board in _FIXTURES.items() if fixture in names]
    return str(parameters.get("each_board", wanted[0] if wanted else ""))


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = ["", *_FIXTURES.values()]
    items.sort(key=lambda item: order.index(_board_of(item)))
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_board_of(item) or item.path.stem))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and call.excinfo.errisinstance(BoardLostError):
        report.user_properties.append((_LOST, str(call.excinfo.value)))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test; once more, on a new board, when its board was lost."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(_was_lost(report) for report in reports):
        for report in reports:
            if _was_lost(report):
                report.outcome = _LOST  # type: ignore[assignment]  # neither passed nor failed: no verdict
                item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()  # type: ignore[attr-defined]  # fixtures anew; pytest has no public way
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _was_lost(report: pytest.TestReport) -> bool:
    return any(name == _LOST for name, _ in report.user_properties)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    if report.outcome == _LOST:
        return _LOST, "L", "LOST"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lost = terminalreporter.getreports(_LOST)
    if lost:
        terminalreporter.section("boards that were lost")
        for report in lost:
            reasons = [reason for name, reason in report.user_properties if name == _LOST]
            terminalreporter.line(f"{report.nodeid}: run again on a new board. {'; '.join(reasons)}")
