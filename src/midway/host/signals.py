# SPDX-License-Identifier: Apache-2.0
"""Steps that must not be cut in half by Ctrl-C or a termination request."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

__all__ = ["REQUESTS", "uninterrupted"]

REQUESTS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back requests to stop until the end; they arrive then.

    They are blocked for the calling thread, whose system calls they would interrupt.  Another thread may hear
    them all the same, and Python then has the main thread handle them: it only notes them meanwhile.
    """
    held: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        with _noted(held) if is_main else nullcontext():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in held:
            signal.raise_signal(number)


@contextmanager
def _noted(held: list[int]) -> Iterator[None]:
    """What is heard goes to `held` instead of to its handler.  For the main thread."""
    handlers = {number: signal.getsignal(number) for number in REQUESTS}
    try:
        for number, handler in handlers.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, lambda heard, _: held.append(heard))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
