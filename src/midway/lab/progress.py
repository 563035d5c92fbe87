# SPDX-License-Identifier: Apache-2.0
"""Says on standard error what takes long: a spinner, then the seconds, on a terminal; else one line per
step.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["step"]


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce `text` while the block runs, and on a terminal how long it took once it has succeeded."""
    if not sys.stderr.isatty():
        print(f"midway: {text}", file=sys.stderr, flush=True)
        yield
        return
    from rich.console import Console  # takes a tenth of a second, which commands without steps need not pay

    console = Console(stderr=True)
    began = time.monotonic()
    with console.status(text):
        yield
    console.print(f"{text}: {time.monotonic() - began:.1f} s", highlight=False)
