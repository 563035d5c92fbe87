# SPDX-License-Identifier: Apache-2.0
"""``midway lab vmm-cost``: what Midway itself costs beside QEMU, on one emulated board.

Both have the same guest, kernel, RAM and board, and take turns.  Seconds of an emulated board are a shape, of
which only ratios are kept; on a board whose clock counts instructions a second is 10^9 of them, of all that
the board executes meanwhile, and repeats.
"""

import sys
from collections.abc import Sequence

import msgspec

from midway.bench.results import VmmCost
from midway.bench.vmm_cost import TOGETHER
from midway.errors import LabError
from midway.lab.boards import board_named
from midway.lab.frames import Kind
from midway.lab.progress import step
from midway.lab.running import RunningBoard, start_board

__all__ = ["measure", "measure_on"]

_BOARD = "versal"
_RESULTS = "/run/vmm-cost.json"


def measure(
    *, together: Sequence[int] = TOGETHER, repetitions: int = 3, counted: bool = False, debug: bool = False
) -> tuple[VmmCost, ...]:
    """The costs on a board of their own; `counted`: its clock counts instructions.  Raises LabError."""
    board = board_named(_BOARD)
    with start_board(board.with_icount() if counted else board, debug=debug) as running:
        return measure_on(running, together=together, repetitions=repetitions)


def measure_on(
    board: RunningBoard, *, together: Sequence[int] = TOGETHER, repetitions: int = 3
) -> tuple[VmmCost, ...]:
    """The same on a running board; what is measured is told on standard error as it comes."""
    numbers = [str(number) for number in together]
    options = ("--json", _RESULTS, "--repetitions", str(repetitions), "--together", *numbers)
    if (
        not board.board.icount
    ):  # a clock that counts instructions does not see what the emulator does for them
        options += ("--rewrite-free-memory",)
    process = board.start(["python3", "-m", "midway.bench.vmm_cost", *options])
    said = bytearray()
    with step(f"Midway and QEMU take turns, {repetitions} times with {', '.join(numbers)} guests at once"):
        for frame in process.frames():
            if frame.kind is Kind.ERROR:
                said += frame.payload
                sys.stderr.buffer.write(frame.payload)
                sys.stderr.flush()
    if process.status:
        raise LabError("measuring what VMMs cost", answer=said.decode(errors="replace")[-600:])
    costs = msgspec.json.decode(board.get(_RESULTS), type=tuple[VmmCost, ...])
    board.run(["rm", _RESULTS], check=True)
    return costs
