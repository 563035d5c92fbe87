# SPDX-License-Identifier: Apache-2.0
"""What a tool said that a load did."""

import base64
import zlib
from typing import NamedTuple

from midway.errors import GuestError, HostError

__all__ = ["Outcome", "plain_text", "unreadable"]

_LONGEST = 1 << 20  # bytes of a tool's output


class Outcome(NamedTuple):
    """`operations` are all that the load did while it ran, in the unit of its workload; `rates` as in Run."""

    operations: int
    rates: dict[str, float]


def unreadable(tool: str, output: str) -> HostError:
    """The error for output that is not what `tool` prints when it succeeds."""
    last = "; ".join(line.strip() for line in output.splitlines() if line.strip())[-400:]
    return HostError(f"reading what {tool} measured", answer=last or "it printed nothing")


def plain_text(packed: str) -> str:
    """What a guest sent as gzip in base64.  Raises GuestError when that is damaged or too much."""
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        text = unpacker.decompress(base64.b64decode(packed, validate=True), _LONGEST)
    except (ValueError, zlib.error) as error:
        raise GuestError("reading what a guest's tool said", answer=str(error)) from error
    if not unpacker.eof:
        raise GuestError("reading what a guest's tool said", answer="it is cut short, or too much")
    return text.decode(errors="replace")
