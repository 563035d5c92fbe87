# SPDX-License-Identifier: Apache-2.0
"""Says on standard error what takes long: a spinner with the seconds on a terminal, else one line per
step.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["step"]


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce `text` while the block runs, and how long it took once it has succeeded."""
    began = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console

        console = Console(stderr=True)
        with console.status(text):
            yield
        console.print(f"{text}: {time.monotonic() - began:.1f} s", highlight=False)
    else:
        print(f"midway: {text}", file=sys.stderr, flush=True)
        yield
        print(f"midway: {text}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
