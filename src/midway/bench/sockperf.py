# SPDX-License-Identifier: Apache-2.0
"""sockperf: round trips, and many small packets (sockperf 3.7, its texts on standard output)."""

import re

from midway.bench.outcome import Outcome, unreadable

__all__ = ["parse_ping_pong", "parse_under_load", "ping_pong", "under_load"]

_SMALLEST = "14"  # bytes; sockperf's own header
_TOTAL = re.compile(r"\[Total Run\] RunTime=([\d.]+) sec; .*?SentMessages=(\d+); ReceivedMessages=(\d+)")
# Without the time at the beginning and the end in which the load is not yet or no longer whole.
_VALID = re.compile(r"\[Valid Duration\] RunTime=([\d.]+) sec; SentMessages=(\d+); ReceivedMessages=(\d+)")
_PERCENTILE = re.compile(r"percentile ([\d.]+) =\s*([\d.]+)")
_PERCENTILES = {"50.000": "p50", "90.000": "p90", "99.000": "p99", "99.900": "p99_9"}


def ping_pong(peer: str, port: int, seconds: int) -> tuple[str, ...]:
    return _client("ping-pong", peer, port, seconds, "--full-rtt")


def under_load(peer: str, port: int, seconds: int) -> tuple[str, ...]:
    """As many messages as go, each a packet of its own; the peer answers every hundredth.

    With more answers TCP has to wait, gathers messages into fewer packets, and the device is idle.
    """
    return _client("under-load", peer, port, seconds, "--mps", "max", "--reply-every", "100")


def _client(kind: str, peer: str, port: int, seconds: int, *more: str) -> tuple[str, ...]:
    where = ("--tcp", "--ip", peer, "--port", str(port))
    return ("sockperf", kind, *where, "--msg-size", _SMALLEST, "--time", str(seconds), *more)


def parse_ping_pong(output: str) -> Outcome:
    """Transactions, their rate, and percentiles of the time there and back.  Raises HostError."""
    total, valid = _TOTAL.search(output), _VALID.search(output)
    if total is None or valid is None or float(valid[1]) <= 0:
        raise unreadable("sockperf", output)
    rates = {"transactions_per_s": int(valid[3]) / float(valid[1])}
    for percentile, value in _PERCENTILE.findall(output):
        if percentile in _PERCENTILES:
            rates[f"latency_{_PERCENTILES[percentile]}_us"] = float(value)
    return Outcome(int(total[3]), rates)


def parse_under_load(output: str) -> Outcome:
    """Packets, those sent and those that came back.  Raises HostError."""
    total = _TOTAL.search(output)
    if total is None or float(total[1]) <= 0:
        raise unreadable("sockperf", output)
    packets = int(total[2]) + int(total[3])
    return Outcome(packets, {"packets_per_s": packets / float(total[1])})
