# SPDX-License-Identifier: Apache-2.0
"""What SIGTERM does to commands that have something to undo."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["orderly_termination"]


@contextmanager
def orderly_termination() -> Iterator[None]:
    """SIGTERM is as Ctrl-C: the block is left by an exception, and what it holds is undone."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
