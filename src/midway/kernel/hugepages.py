# SPDX-License-Identifier: Apache-2.0
"""Where huge pages lie physically, and which size to take.  Pure; the system calls are in `memory`."""

import mmap
import struct
from collections.abc import Mapping, Sequence

import msgspec

from midway.errors import HostError

__all__ = ["Run", "choose_page_size", "frame_numbers", "physical_runs", "pool"]

PAGE = mmap.PAGESIZE
_PRESENT = 1 << 63
_SOON_FOUND = 2 << 20  # bytes
_FRAME_MASK = (1 << 55) - 1  # Documentation/admin-guide/mm/pagemap.rst


class Run(msgspec.Struct, frozen=True):
    """Physically contiguous huge pages: where they begin, and each page's offset in the memory file."""

    address: int
    offsets: tuple[int, ...]


def pool(size: int) -> str:
    """The directory of /sys that counts the huge pages of `size` bytes."""
    return f"/sys/kernel/mm/hugepages/hugepages-{size // 1024}kB"


def choose_page_size(wanted: int, free: Mapping[int, int]) -> int:
    """The page size, of those in `free` (size to free pages), that holds `wanted` bytes in the fewest pages.

    A size that wastes nothing goes before one that does.  Raises HostError where no pool has enough.
    """
    enough = [size for size, pages in free.items() if pages * size >= wanted]
    if not enough:
        seen = ", ".join(f"{pages} x {_spelt(size)}" for size, pages in sorted(free.items())) or "none"
        # Larger ones are seldom to be had once the kernel has run for a while.
        advised = max((size for size in free if size <= _SOON_FOUND), default=_SOON_FOUND)
        count = -(-wanted // advised)
        raise HostError(
            f"taking {wanted >> 20} MiB of guest RAM from huge pages",
            answer=f"free are {seen}",
            remedy=f"echo {count} > {pool(advised)}/nr_hugepages, or hugepagesz= and hugepages= at boot",
        )
    return max(enough, key=lambda size: (wanted % size == 0, size))


def _spelt(size: int) -> str:
    return f"{size >> 20} MiB" if size >> 20 else f"{size >> 10} KiB"


def frame_numbers(entries: bytes) -> tuple[int, ...]:
    """The physical addresses in /proc/self/pagemap entries.  HostError where the kernel hides them.

    Hidden ones read as frame 0.  That frame exists too, where RAM begins at 0, but only once.
    """
    values = [entry for (entry,) in struct.iter_unpack("=Q", entries)]
    frames = [entry & _FRAME_MASK for entry in values]
    if not all(entry & _PRESENT for entry in values) or frames.count(0) > (len(frames) > 1):
        raise HostError(
            "finding the physical addresses of huge pages",
            answer="/proc/self/pagemap does not tell",
            remedy="run as root (CAP_SYS_ADMIN)",
        )
    return tuple(frame * PAGE for frame in frames)


def physical_runs(addresses: Sequence[int], page_size: int) -> tuple[Run, ...]:
    """The pages of a memory file, of which page i lies at `addresses[i]`, as runs by rising address."""
    runs: list[tuple[int, list[int]]] = []
    for address, index in sorted(zip(addresses, range(len(addresses)), strict=True)):
        if runs and runs[-1][0] + len(runs[-1][1]) * page_size == address:
            runs[-1][1].append(index * page_size)
        else:
            runs.append((address, [index * page_size]))
    return tuple(Run(address, tuple(offsets)) for address, offsets in runs)
