# SPDX-License-Identifier: Apache-2.0
"""iperf3: one TCP stream to the peer, with the socket buffers and the sizes of single sends of a pattern."""

import json

from midway.bench.outcome import Outcome, unreadable

__all__ = ["parse_stream", "stream"]


def stream(peer: str, port: int, seconds: int, *, buffers: int, sends: int) -> tuple[str, ...]:
    """`buffers` and `sends` in kB of 1024 bytes; both ends get the same."""
    sizes = ("--window", f"{buffers}K", "--length", f"{sends}K")
    # Of every second's own report nobody reads anything, and a guest's console is slow.
    brief = ("--json", "--interval", "0")
    return ("iperf3", "--client", peer, "--port", str(port), "--time", str(seconds), *sizes, *brief)


def parse_stream(output: str) -> Outcome:
    """Kilobytes (1000 bytes) that arrived, the rate, and what was sent again.  Raises HostError."""
    try:
        end = json.loads(output)["end"]
        received, retransmits = end["sum_received"], end["sum_sent"]["retransmits"]
        kilobytes, bits = int(received["bytes"]) // 1000, float(received["bits_per_second"])
    except (ValueError, KeyError, TypeError):
        raise unreadable("iperf3", _error(output)) from None
    return Outcome(kilobytes, {"megabits_per_s": bits / 1e6, "retransmits": float(retransmits)})


def _error(output: str) -> str:
    try:
        return str(json.loads(output)["error"])
    except (ValueError, KeyError, TypeError):
        return output
