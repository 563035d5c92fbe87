# SPDX-License-Identifier: Apache-2.0
"""The files that a command leaves for its user."""

import errno
import os
import shlex
import sys
from pathlib import Path

from midway.errors import MidwayError

__all__ = ["check_writable", "command_line", "make_directory", "replace_file", "write_file"]


def check_writable(*paths: Path | None) -> None:
    """What a command would only find out at its end is said before it begins.  Raises MidwayError."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise MidwayError(f"writing {path}", answer=os.strerror(errno.EISDIR))
        place = path if path.exists() else path.parent
        if not os.access(place, os.W_OK):
            raise MidwayError(f"writing {path}", answer=f"{place} is not there, or not writable")


def command_line() -> str:
    """What was typed, for a file to say; bytes that are no UTF-8 are escaped."""
    return shlex.join(["midway", *sys.argv[1:]]).encode(errors="backslashreplace").decode()


def make_directory(path: Path) -> None:
    """With those above it, unless it is there.  Raises MidwayError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MidwayError(f"writing to {path}", answer=error.strerror) from error


def write_file(path: Path, content: str | bytes) -> None:
    """Raises MidwayError."""
    try:
        path.write_bytes(_encoded(content))
    except OSError as error:
        raise MidwayError(f"writing {path}", answer=error.strerror) from error


def replace_file(path: Path, content: str | bytes) -> None:
    """As `write_file`; whatever ends this process meanwhile, the file has either all of it or what it had.

    What is no file of its own (a pipe, a terminal) is written to.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        write_file(target, content)
        return
    beside = target.with_name(f".{target.name}.{os.urandom(4).hex()}")
    try:
        try:
            with beside.open("xb") as file:
                file.write(_encoded(content))
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MidwayError(f"writing {path}", answer=error.strerror) from error


def _encoded(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
