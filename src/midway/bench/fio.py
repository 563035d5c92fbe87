# SPDX-License-Identifier: Apache-2.0
"""fio: direct random reads of 4 KiB, one at a time; nothing is written."""

import json

from midway.bench.outcome import Outcome, unreadable

__all__ = ["parse_reads", "random_reads"]

_PERCENTILES = {"50.000000": "p50", "90.000000": "p90", "99.000000": "p99", "99.900000": "p99_9"}


def random_reads(disk: str, seconds: int) -> tuple[str, ...]:
    what = ("--name=disk", f"--filename={disk}", "--readonly", "--rw=randread", "--bs=4k", "--direct=1")
    how = ("--ioengine=psync", "--thread", "--time_based", f"--runtime={seconds}", "--randrepeat=1")
    return ("fio", *what, *how, "--output-format=json")


def parse_reads(output: str) -> Outcome:
    """Reads, their rate, and percentiles of how long one took.  Raises HostError."""
    try:
        # Warnings may stand before the JSON.
        read = json.loads(output[output.index("{") :])["jobs"][0]["read"]
        rates = {"reads_per_s": float(read["iops"])}
        for percentile, name in _PERCENTILES.items():
            rates[f"latency_{name}_us"] = read["clat_ns"]["percentile"][percentile] / 1000
        return Outcome(int(read["total_ios"]), rates)
    except (ValueError, KeyError, IndexError, TypeError):
        raise unreadable("fio", output) from None
