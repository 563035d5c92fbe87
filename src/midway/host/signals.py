# SPDX-License-Identifier: Apache-2.0
"""Who hears Ctrl-C, a termination request and a hang-up, and steps that they must not cut in half."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

__all__ = ["heard_by", "uninterrupted"]

_REQUESTS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@contextmanager
def heard_by(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Requests to stop go to `handler`, with the signal's number.  For the main thread.

    What was ignored stays so: nohup(1) and shells in the background count on it.
    """
    before = {number: signal.getsignal(number) for number in _REQUESTS}
    try:
        for number, present in before.items():
            if present is not signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number, present in before.items():
            signal.signal(number, present)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back requests to stop until the end; they arrive then.

    They are blocked for the calling thread, whose system calls they would interrupt.  Another thread may hear
    them all the same, and Python then has the main thread handle them: it only notes them meanwhile.
    """
    held: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    # Asked for first: Python may run a handler, which raises, when it has changed the mask.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _REQUESTS)
        with heard_by(lambda number, _: held.append(number)) if is_main else nullcontext():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in held:
            signal.raise_signal(number)
