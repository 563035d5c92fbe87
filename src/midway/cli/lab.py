# SPDX-License-Identifier: Apache-2.0
"""``midway lab``: run commands on emulated Arm boards."""

import argparse
import contextlib
import os
import sys
import threading

from midway.errors import LabError
from midway.lab.boards import BOARDS, DEFAULT_BOARD, board_named
from midway.lab.connection import Process
from midway.lab.frames import CHUNK, Kind
from midway.lab.running import start_board

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "run commands on emulated Arm boards"
    parser = subparsers.add_parser("lab", help=summary, description=summary)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    command = actions.add_parser(
        "run",
        help="run a command on a board",
        description="Boot a board with this checkout's Midway and run a command.",
    )
    _add_board_options(command)
    command.add_argument(
        "argv", metavar="COMMAND", nargs=argparse.REMAINDER, help="after --; its status is ours"
    )
    command.set_defaults(act=_run_command)


def _add_board_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--board", choices=list(BOARDS), default=DEFAULT_BOARD, help="default: %(default)s")
    parser.add_argument("--debug", action="store_true", help="show the board's console on standard error")


def run(arguments: argparse.Namespace) -> int:
    status: int = arguments.act(arguments)
    return status


def _run_command(arguments: argparse.Namespace) -> int:
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        raise LabError("no command to run on the board", remedy="give one after --")
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
        if not sys.stdin.isatty():
            while data := os.read(sys.stdin.fileno(), CHUNK):
                process.write(data)
        process.close_input()
