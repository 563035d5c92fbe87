# SPDX-License-Identifier: Apache-2.0
"""The libraries that reports are made with: an extra, because no VM and no board needs them."""

from collections.abc import Iterator
from contextlib import contextmanager

from midway.errors import HostError

__all__ = ["REMEDY", "bench_extra"]

REMEDY = "pip install 'midway[bench]'"
_LIBRARIES = {"jinja2", "matplotlib", "numpy", "scipy"}


@contextmanager
def bench_extra() -> Iterator[None]:
    """Around the imports of these libraries: one that is not installed raises HostError."""
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in _LIBRARIES:
            raise
        raise HostError(
            "preparing a benchmark's report", answer=f"{library} is not installed", remedy=REMEDY
        ) from error
