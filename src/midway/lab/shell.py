# SPDX-License-Identifier: Apache-2.0
"""A shell on a board, on this process's own terminal."""

import contextlib
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from midway.errors import LabError, UsageError
from midway.lab.connection import BoardConnection, Process
from midway.lab.frames import CHUNK

__all__ = ["interactive_shell", "require_terminal"]

_SHELL = ("bash", "--norc", "-i")


def require_terminal() -> None:
    """Raises UsageError when standard input or output is not a terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("a shell on the board needs a terminal", remedy="midway lab run -- COMMAND does not")


def interactive_shell(board: BoardConnection, name: str) -> int:
    """Run a shell on this process's terminal until it is left; its exit status.  `name` is for the prompt."""
    environment = {"PS1": rf"{name}:\w# ", "TERM": os.environ.get("TERM", "linux")}
    process = board.start(_SHELL, env=environment, terminal=_size())
    with _raw_terminal(), _following_size(process):
        threading.Thread(target=_forward_keys, args=(process,), name="lab-keys", daemon=True).start()
        for frame in process.frames():
            sys.stdout.buffer.write(frame.payload)
            sys.stdout.buffer.flush()
    return process.status or 0


def _size() -> tuple[int, int]:
    columns, rows = shutil.get_terminal_size()
    return rows, columns


@contextmanager
def _raw_terminal() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _following_size(process: Process) -> Iterator[None]:
    before = signal.signal(signal.SIGWINCH, lambda *_: process.resize(*_size()))
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _forward_keys(process: Process) -> None:
    with contextlib.suppress(LabError):  # the board may end first
        while data := os.read(sys.stdin.fileno(), CHUNK):
            process.write(data)
