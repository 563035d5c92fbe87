# SPDX-License-Identifier: Apache-2.0
"""What Ctrl-C, SIGTERM and a hang-up do to commands that have something to undo."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from midway.host.signals import heard_by

__all__ = ["orderly_termination"]


@contextmanager
def orderly_termination() -> Iterator[None]:
    """A request to stop leaves the block by SystemExit, and what the block holds is undone.

    Only the first does: those that come while it is being undone change nothing.
    """
    is_ending = False

    def requested(number: int, _: FrameType | None) -> None:
        nonlocal is_ending
        if not is_ending:
            is_ending = True
            sys.exit(128 + number)

    with heard_by(requested):
        yield
