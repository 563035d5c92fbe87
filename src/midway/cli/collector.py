# SPDX-License-Identifier: Apache-2.0
"""Python's garbage collector while a command starts."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["no_collections"]


@contextmanager
def no_collections() -> Iterator[None]:
    """For importing and setting up: the collector rests, and will never look at what was made in the block.

    That lives as long as the command, and one look through all modules is as slow as importing ten of them.
    Only for a process of our own.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
