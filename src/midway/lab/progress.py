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
    # They take a tenth of a second, which commands without steps need not pay.
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    began = time.monotonic()
    with console.status(Text(text)):  # a board's own words are no markup
        yield
    console.print(Text(f"{text}: {time.monotonic() - began:.1f} s"))
