# SPDX-License-Identifier: Apache-2.0
"""Steps that must not be cut in half by Ctrl-C or a termination request."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["REQUESTS", "uninterrupted"]

REQUESTS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back requests to stop until the end; they arrive then.  Blocks them for the calling thread."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
