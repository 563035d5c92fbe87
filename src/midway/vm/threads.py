# SPDX-License-Identifier: Apache-2.0
"""Threads that take no signals: those are the main thread's, wherever it waits."""

import signal
import threading
from collections.abc import Callable

from midway.errors import HostError

__all__ = ["ALL_SIGNALS", "start_thread"]

ALL_SIGNALS = frozenset(int(number) for number in signal.valid_signals())


def start_thread(name: str, target: Callable[[], None]) -> threading.Thread:
    """A running thread that blocks all signals from its first instruction on.  Raises HostError."""
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
        thread.start()
    except RuntimeError as error:
        raise HostError(
            f"starting the thread {name}", answer=str(error), remedy="allow more (ulimit -u, TasksMax=)"
        ) from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
