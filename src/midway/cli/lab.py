# SPDX-License-Identifier: Apache-2.0
"""``midway lab``: emulated Arm boards."""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from midway.config import InterruptMode
from midway.errors import LabError, UsageError
from midway.lab.boards import BOARDS, DEFAULT_BOARD, board_named
from midway.lab.cache import Cache
from midway.lab.connection import Process
from midway.lab.frames import CHUNK, Kind
from midway.lab.running import start_board

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "run commands on emulated Arm boards"
    boards = "\n".join(f"  {board.name:<12}{board.summary}" for board in BOARDS.values())
    parser = subparsers.add_parser(
        "lab",
        help=summary,
        description="Run commands on emulated Arm boards, with this checkout's Midway and driver on them.",
        epilog=f"boards:\n{boards}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    command = _add_action(
        actions, "run", "run a command on a board; its exit status and output are ours", _run
    )
    _add_board_options(command)
    command.add_argument("argv", metavar="COMMAND", nargs=argparse.REMAINDER, help="after --")

    up = _add_action(
        actions, "up", "boot a board and open a shell on it; leaving it powers the board off", _up
    )
    _add_board_options(up)

    demo = _add_action(
        actions, "demo", "give the second NIC of the versal board to a guest, and take it back", _demo
    )
    demo.add_argument("--debug", action="store_true", help="show the board's console on standard error")
    demo.add_argument(
        "--irq",
        type=InterruptMode,
        choices=list(InterruptMode),
        help="interrupt mode; default: the best offered",
    )
    demo.add_argument("--json", type=Path, metavar="FILE", help="write what was measured as JSON")

    cost = _add_action(
        actions, "irq-cost", "count what an interrupt costs in each mode, on one device under load", _irq_cost
    )
    cost.add_argument("--board", choices=("virt", "versal"), default="virt", help="default: %(default)s")
    cost.add_argument(
        "--interrupts", type=int, default=2000, metavar="N", help="in each run; default: %(default)s"
    )
    cost.add_argument(
        "--counts-only", action="store_true", help="no trace and no instructions: for many interrupts"
    )
    cost.add_argument("--json", type=Path, metavar="FILE", help="write what was counted as JSON")

    pictures = _add_action(
        actions, "trace-pictures", "draw one interrupt in each mode, from real traces", _trace_pictures
    )
    pictures.add_argument("directory", type=Path, metavar="DIR", help="gets interrupt-MODE.svg")
    pictures.add_argument("--debug", action="store_true", help="show the board's console on standard error")

    status = _add_action(actions, "status", "show what is cached and which programs are missing", _status)
    status.add_argument("--json", action="store_true", help="print it as JSON")

    _add_action(actions, "clean", "remove everything cached", _clean)


def _add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    act: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(act=act)
    return parser


def _add_board_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", choices=list(BOARDS), default=DEFAULT_BOARD, help="default: %(default)s")
    parser.add_argument("--debug", action="store_true", help="show the board's console on standard error")


def run(arguments: argparse.Namespace) -> int:
    with _orderly_termination():
        status: int = arguments.act(arguments)
    return status


@contextlib.contextmanager
def _orderly_termination() -> Iterator[None]:
    """SIGTERM is as Ctrl-C: what was started is ended, and what was written aside is removed."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _demo(arguments: argparse.Namespace) -> int:
    from rich.console import Console

    from midway.lab.demo import run_demo
    from midway.lab.demo_report import failures, show

    with start_board(board_named(DEFAULT_BOARD), debug=arguments.debug) as board:
        result = run_demo(board, arguments.irq)
    show(result, Console())
    _write_json(arguments.json, result)
    return 1 if failures(result) else 0


def _irq_cost(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.interrupts <= 100_000:
        raise UsageError("--interrupts", answer=f"{arguments.interrupts} is not from 1 to 100000")
    from rich.console import Console

    from midway.lab.irq_cost import measure
    from midway.lab.irq_cost_report import as_json, show
    from midway.measure.irq_cost import agreement

    costs = measure(arguments.board, arguments.interrupts, counts_only=arguments.counts_only)
    show(costs, Console())
    _write_json(arguments.json, as_json(arguments.board, costs))
    return 0 if all(found.holds for found in agreement(costs)) else 1


def _trace_pictures(arguments: argparse.Namespace) -> int:
    from midway.lab.trace_pictures import trace_pictures

    for picture in trace_pictures(debug=arguments.debug):
        path = arguments.directory / f"interrupt-{picture.mode}.svg"
        try:
            path.write_bytes(picture.svg)
        except OSError as error:
            raise LabError(f"writing {path}", answer=error.strerror) from error
        print(picture.text)
    return 0


def _write_json(path: Path | None, data: Mapping[str, Any]) -> None:
    if path is None:
        return
    try:
        path.write_text(json.dumps(data, indent=2) + "\n")
    except OSError as error:
        raise LabError(f"writing {path}", answer=error.strerror) from error


def _run(arguments: argparse.Namespace) -> int:
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        raise UsageError("no command to run on the board", remedy="give one after --")
    with start_board(board_named(arguments.board), debug=arguments.debug) as board:
        process = board.start(argv)
        threading.Thread(target=_forward_input, args=(process,), name="lab-input", daemon=True).start()
        for frame in process.frames():
            stream = sys.stdout.buffer if frame.kind is Kind.OUTPUT else sys.stderr.buffer
            stream.write(frame.payload)
            stream.flush()
    status = process.status or 0
    return 128 - status if status < 0 else status


def _forward_input(process: Process) -> None:
    with contextlib.suppress(LabError):  # the board may end first
        if sys.stdin is not None and not sys.stdin.isatty():
            while data := os.read(sys.stdin.fileno(), CHUNK):
                process.write(data)
        process.close_input()


def _up(arguments: argparse.Namespace) -> int:
    from midway.lab.shell import interactive_shell, require_terminal

    require_terminal()
    with start_board(board_named(arguments.board), debug=arguments.debug) as board:
        return interactive_shell(board, arguments.board)


def _status(arguments: argparse.Namespace) -> int:
    from midway.lab.status import lab_status

    status = lab_status(Cache())
    if arguments.json:
        print(json.dumps(status.as_json(), indent=2))
        return 0
    print(f"cache       {status.cache}")
    for artefact in status.artefacts:
        note = "" if artefact.current else "  (of another state of Midway: not used)"
        print(f"  {artefact.name:<15}{artefact.key}  {_mebibytes(artefact.size):>8}{note}")
    print(f"kernel      {status.kernel or 'not fetched yet'}")
    print(f"emulator    {status.emulator or 'missing'}")
    for tool in status.missing:
        print(f"missing     {tool.program}: apt-get install {tool.package}")
    return 0


def _clean(_: argparse.Namespace) -> int:
    cache = Cache()
    removed = cache.clean()
    kept = len(cache.artefacts())
    print(f"removed {len(removed)} artefacts, {_mebibytes(sum(artefact.size for artefact in removed))}")
    if kept:
        print(f"{kept} kept, which a running board uses")
    return 0


def _mebibytes(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
