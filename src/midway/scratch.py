# SPDX-License-Identifier: Apache-2.0
"""Files of a command for other programs: gone with it, or removed by the next command if it is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from midway.errors import HostError

__all__ = ["scratch_directory"]

_PREFIX = ".midway-scratch-"  # hidden: nobody calls a directory of results so


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A new directory of this user's, gone after the block.

    Its owner holds a lock on it, which the kernel drops however the owner ends; those that nobody holds are
    removed first.  Raises HostError where none can be made.
    """
    _remove_left()
    try:
        directory, lock = _locked()
    except OSError as error:
        raise HostError("making a directory for temporary files", answer=error.strerror) from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _locked() -> tuple[Path, int]:
    while True:
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return directory, lock
            os.close(lock)
        # Another process that began at the same time took it for one that was left.


def _remove_left() -> None:
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another's, in use, or gone already
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(lock)
