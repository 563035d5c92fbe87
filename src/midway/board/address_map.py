# SPDX-License-Identifier: Apache-2.0
"""Who has which guest physical addresses."""

from bisect import bisect_right

import msgspec

from midway.board.plan import Window
from midway.errors import PlanError

__all__ = ["PAGE", "AddressMap", "Taken", "align_up"]

PAGE = 4096
_FIRST = 1 << 20  # nothing is placed below: to some drivers address 0 is no address


class Taken(msgspec.Struct, frozen=True):
    """`owner` has the addresses from `start` up to, and without, `end`."""

    start: int
    end: int
    owner: str


def align_up(value: int, alignment: int) -> int:
    """The lowest multiple of `alignment` that is not below `value`."""
    return -(-value // alignment) * alignment


class AddressMap:
    """The guest's physical address space: what is at a fixed place is reserved, the rest goes into the holes.

    `bits` is the size that KVM gives to it.  No two owners ever overlap.
    """

    def __init__(self, bits: int = 40) -> None:
        self.end = 1 << bits
        self._taken: list[Taken] = []

    @property
    def taken(self) -> tuple[Taken, ...]:
        """Everything that is taken, in order of address."""
        return tuple(self._taken)

    def reserve(self, address: int, size: int, owner: str) -> Window:
        """Take `size` bytes at `address`.  Raises PlanError when they are taken or do not exist."""
        end = address + size
        if size <= 0 or address < 0 or end > self.end:
            raise PlanError(
                f"placing {owner} at {address:#x}",
                answer=f"{size:#x} bytes there do not fit into {self.end.bit_length() - 1} bits of address",
            )
        at = bisect_right(self._taken, address, key=lambda taken: taken.start)
        for other in self._taken[max(at - 1, 0) : at + 1]:
            if other.start < end and address < other.end:
                raise PlanError(
                    f"placing {owner} at {address:#x}",
                    answer=f"{other.owner} is at {other.start:#x} to {other.end - 1:#x}",
                )
        self._taken.insert(at, Taken(address, end, owner))
        return Window(address, size)

    def allocate(self, size: int, owner: str, *, alignment: int = PAGE) -> Window:
        """Take `size` bytes at the lowest free multiple of `alignment`: below 4 GiB while there is room.

        Raises PlanError when no hole is large enough.
        """
        candidate = align_up(_FIRST, alignment)
        for taken in self._taken:
            if candidate + size <= taken.start:
                break
            candidate = max(candidate, align_up(taken.end, alignment))
        if candidate + size > self.end:
            raise PlanError(
                f"placing {owner}",
                answer=f"no hole of {size:#x} bytes is left in the guest's address space",
                remedy="give the VM less memory or fewer devices",
            )
        return self.reserve(candidate, size, owner)
