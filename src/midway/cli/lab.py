# SPDX-License-Identifier: Apache-2.0
"""``midway lab``: emulated Arm boards."""

import argparse
import contextlib
import json
import os
import sys
import threading

from midway.cli import lab_experiments
from midway.cli.actions import add_action
from midway.cli.termination import orderly_termination
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

    command = add_action(
        actions, "run", "run a command on a board; its exit status and output are ours", _run
    )
    _add_board_options(command)
    command.add_argument("argv", metavar="COMMAND", nargs=argparse.REMAINDER, help="after --")

    up = add_action(
        actions, "up", "boot a board and open a shell on it; leaving it powers the board off", _up
    )
    _add_board_options(up)

    lab_experiments.add_actions(actions)

    status = add_action(actions, "status", "show what is cached and which programs are missing", _status)
    status.add_argument("--json", action="store_true", help="print it as JSON")

    add_action(actions, "clean", "remove everything cached", _clean)


def _add_board_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", choices=list(BOARDS), default=DEFAULT_BOARD, help="default: %(default)s")
    parser.add_argument("--debug", action="store_true", help="show the board's console on standard error")


def run(arguments: argparse.Namespace) -> int:
    with orderly_termination():
        status: int = arguments.act(arguments)
    return status


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
