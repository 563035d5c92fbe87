# SPDX-License-Identifier: Apache-2.0
"""Where the guest's accesses go that reach no memory: each address range to what answers for it."""

import threading
from bisect import bisect_right
from typing import Protocol

import msgspec

from midway.findings import Finding, Severity

__all__ = ["Bus", "MmioDevice"]

_LISTED = 8


class MmioDevice(Protocol):
    """Answers accesses of 1, 2, 4 or 8 bytes, little-endian, at an offset; called by any vCPU's thread."""

    def read(self, offset: int, size: int) -> bytes: ...

    def write(self, offset: int, data: bytes) -> None: ...


class _Range(msgspec.Struct, frozen=True):
    start: int
    end: int
    device: MmioDevice


class Bus:
    """Built before the guest runs and not changed then.

    Where nothing answers, reads give zeros and writes go nowhere, so that a guest that probes goes on as on
    most boards; every such access is counted and `findings` says so once.
    """

    def __init__(self) -> None:
        self._ranges: list[_Range] = []
        self._starts: list[int] = []
        self._lock = threading.Lock()
        self._stray: dict[int, int] = {}
        self._stray_total = 0

    def add(self, address: int, size: int, device: MmioDevice) -> None:
        """Raises ValueError where the range overlaps another."""
        new = _Range(address, address + size, device)
        at = bisect_right(self._starts, address)
        neighbours = self._ranges[max(0, at - 1) : at + 1]
        if size <= 0 or any(new.start < other.end and other.start < new.end for other in neighbours):
            raise ValueError(f"{size:#x} bytes at {address:#x} are not free on the bus")
        self._ranges.insert(at, new)
        self._starts.insert(at, address)

    def read(self, address: int, size: int) -> bytes:
        place = self._find(address, size)
        if place is None:
            return bytes(size)
        return place.device.read(address - place.start, size)

    def write(self, address: int, data: bytes) -> None:
        place = self._find(address, len(data))
        if place is not None:
            place.device.write(address - place.start, data)

    def findings(self) -> tuple[Finding, ...]:
        with self._lock:
            if not self._stray_total:
                return ()
            where = ", ".join(f"{address:#x}" for address in list(self._stray)[:_LISTED])
            more = " ..." if len(self._stray) > _LISTED else ""
        return (
            Finding(
                code="stray-access",
                severity=Severity.NOTE,
                subject="guest",
                cause=f"{self._stray_total} accesses where nothing is, in the pages at {where}{more}",
                remedy="the guest's drivers use something its device tree does not describe",
            ),
        )

    def _find(self, address: int, size: int) -> _Range | None:
        at = bisect_right(self._starts, address) - 1
        if at >= 0:
            place = self._ranges[at]
            if address + size <= place.end:
                return place
        with self._lock:
            self._stray_total += 1
            page = address & ~0xFFF
            if page in self._stray or len(self._stray) <= _LISTED:
                self._stray[page] = self._stray.get(page, 0) + 1
        return None
