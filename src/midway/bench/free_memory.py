# SPDX-License-Identifier: Apache-2.0
"""An emulated board's free memory without what the emulator still knows of it.

QEMU keeps what it translated of a guest's code until something is written where the code was.  Where a guest
has run, the next VMM's first writes are therefore ten times as slow, and its start up to twice: a cost of the
emulator's, which no board has, and which whoever comes next would pay.
"""

import mmap
import re
from pathlib import Path

from midway.errors import HostError

__all__ = ["rewrite_free_memory"]

_SHARE = 3 / 4  # of what is free; the rest is left to everybody else
_BLOCK = 1 << 20  # bytes


def rewrite_free_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Write to most of the memory that `meminfo` calls free, and free it again; how many bytes that was.

    Raises HostError where it does not say, or the kernel has not that much.
    """
    try:
        found = re.search(r"^MemFree: +([0-9]{1,12}) kB$", meminfo.read_text(encoding="ascii"), re.MULTILINE)
        if found is None:
            raise HostError("rewriting free memory", answer=f"{meminfo} does not say how much there is")
        size = int(int(found[1]) * _SHARE) * 1024 // _BLOCK * _BLOCK
        block = b"\xff" * _BLOCK
        with mmap.mmap(-1, max(size, _BLOCK), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            for start in range(0, size, _BLOCK):
                memory[start : start + _BLOCK] = block
    except OSError as error:
        raise HostError("rewriting free memory", answer=str(error)) from error
    return size
