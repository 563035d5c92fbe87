# SPDX-License-Identifier: Apache-2.0
"""`midway bench run` on a board, followed from here."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import msgspec

from midway.bench.results import Results
from midway.errors import BoardLostError, LabError
from midway.lab.connection import Process
from midway.lab.frames import Kind
from midway.lab.progress import step
from midway.lab.running import RunningBoard

__all__ = ["Part", "bench_on"]

_RESULTS = "/run/bench.json"
_SAYS = "midway: "
_PATIENCE = 60.0  # seconds it gets to give the device back


class Part(NamedTuple):
    """`results` are None where nothing was measured; `failure` is None where all of it was."""

    results: Results | None
    failure: str | None


def bench_on(board: RunningBoard, options: Sequence[str], timeout: float) -> Part:
    """What the command measured until it ended, on its own or after `timeout` seconds.

    Raises BoardLostError, and LabError for results that cannot be read.
    """
    board.run(["rm", "-f", _RESULTS], check=True)
    process = board.start(["midway", "bench", "run", *options, "--json", _RESULTS])
    last = ""
    try:
        with ExitStack() as current:
            for last in _lines(process, timeout):
                current.close()
                current.enter_context(step(last))
    except TimeoutError:
        _end(process)
        last = f"it was ended after {timeout:.0f} s"
    failure = f"midway bench run: {last}" if process.status else None
    return Part(_results(board), failure)


def _end(process: Process) -> None:
    process.signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except TimeoutError:
        process.signal(signal.SIGKILL)
        process.wait(_PATIENCE)


def _results(board: RunningBoard) -> Results | None:
    try:
        content = board.get(_RESULTS)
    except BoardLostError:
        raise
    except LabError:
        return None  # it failed before it began; what it said tells
    try:
        return msgspec.json.decode(content, type=Results)
    except msgspec.DecodeError as error:
        raise LabError("reading the results of midway bench run", answer=str(error)) from error


def _lines(process: Process, timeout: float) -> Iterator[str]:
    """What the command says on standard error, a line at a time."""
    pending = b""
    for frame in process.frames(timeout):
        if frame.kind is Kind.ERROR:
            *complete, pending = (pending + frame.payload).split(b"\n")
            yield from (line.decode(errors="replace").removeprefix(_SAYS) for line in complete)
