# SPDX-License-Identifier: Apache-2.0
"""What this process costs: the time it took to start and the memory it has beside the guest's."""

import os
import re
from collections.abc import Sequence

from midway.kernel.memory import Block
from midway.kernel.syscalls import SystemCalls

__all__ = ["process_start", "resident_beside"]

_HEADER = re.compile(r"([0-9a-f]+)-([0-9a-f]+) ")
_START_FIELD = 22  # proc(5), /proc/pid/stat: starttime


def process_start(calls: SystemCalls) -> float:
    """When this process was made, in seconds of CLOCK_BOOTTIME; exact to the kernel's tick (10 ms)."""
    # The second field is a name that may hold spaces and parentheses.
    fields = calls.read_file("/proc/self/stat").rpartition(")")[2].split()
    return int(fields[_START_FIELD - 3]) / os.sysconf("SC_CLK_TCK")


def resident_beside(smaps: str, blocks: Sequence[Block]) -> int:
    """Resident bytes of all mappings in /proc/self/smaps but those of the guest's RAM.

    Pages of hugetlbfs never count as resident (proc(5)).
    """
    guest = [(block.host_address, block.host_address + block.size) for block in blocks]
    total = 0
    counted = False
    for line in smaps.splitlines():
        header = _HEADER.match(line)
        if header:
            start, end = int(header[1], 16), int(header[2], 16)
            counted = not any(start < last and first < end for first, last in guest)
        elif counted and line.startswith("Rss:"):
            total += int(line.split()[1]) * 1024
    return total
