# SPDX-License-Identifier: Apache-2.0
"""The guest's RAM in this process."""

import errno
import mmap
import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import msgspec

from midway.errors import HostError, KernelError
from midway.kernel.hugepages import PAGE, choose_page_size, frame_numbers, physical_runs, pool
from midway.kernel.syscalls import SystemCalls
from midway.uapi import mman

__all__ = ["Block", "Extent", "GuestMemory"]

# All sizes that arm64 has with any size of small pages; a host has two to four of them.
HUGE_SIZES = (16 << 30, 1 << 30, 512 << 20, 32 << 20, 2 << 20, 64 << 10)
_TRANSPARENT = 2 << 20  # KVM maps a transparent huge page as one block where both addresses agree modulo this


class Extent(msgspec.Struct, frozen=True):
    """Guest physical memory, in bytes."""

    address: int
    size: int


class Block(msgspec.Struct, frozen=True):
    """One bank: guest physical `address`, where it is in this process, and its bytes."""

    address: int
    size: int
    host_address: int
    view: memoryview


class GuestMemory:
    """All banks of a guest by rising address.  Closing it unmaps them: no vCPU and no device may run then."""

    def __init__(self, calls: SystemCalls) -> None:
        self.calls = calls
        self.blocks: tuple[Block, ...] = ()
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        blocks, self.blocks = self.blocks, ()
        for block in blocks:
            block.view.release()
        self._resources.close()

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)

    @property
    def extents(self) -> tuple[Extent, ...]:
        return tuple(Extent(block.address, block.size) for block in self.blocks)

    def view(self, address: int, size: int) -> memoryview:
        """The bytes at a guest physical address; ValueError where one bank does not hold them all."""
        for block in self.blocks:
            offset = address - block.address
            if offset >= 0 and offset + size <= block.size:
                return block.view[offset : offset + size]
        raise ValueError(f"no bank holds {size:#x} bytes at {address:#x}")

    @classmethod
    def anonymous(cls, calls: SystemCalls, extents: Iterable[Extent]) -> Self:
        """Ordinary memory, given by the kernel as the guest touches it, in huge pages where it can."""
        memory = cls(calls)
        try:
            for extent in extents:
                memory._add_anonymous(extent)
        except OSError as error:
            memory.close()
            raise KernelError("allocating the guest's RAM", error.errno or 0) from error
        return memory

    @classmethod
    def huge(cls, calls: SystemCalls, extents: Iterable[Extent]) -> Self:
        """Memory of hugetlbfs, all of it taken at once."""
        banks = tuple(extents)
        memory = cls(calls)
        try:
            page, fd = memory._huge_file(sum(extent.size for extent in banks))
            offset = 0
            for extent in banks:
                if extent.size % page:
                    raise HostError(
                        f"taking a bank of {extent.size >> 10} KiB from huge pages",
                        answer=f"it is no multiple of their {page >> 10} KiB",
                        remedy=f"make the guest's memory a multiple of {page >> 20} MiB",
                    )
                address = memory._map_huge(fd, extent.size, offset)
                memory._append(extent.address, extent.size, address)
                offset += extent.size
        except BaseException:
            memory.close()
            raise
        return memory

    @classmethod
    def direct(cls, calls: SystemCalls, size: int) -> Self:
        """Huge pages at guest addresses that are their physical addresses; the banks are as the pages lie.

        For devices without an IOMMU.  Needs CAP_SYS_ADMIN.  Nothing pins the pages yet: the driver does, and
        verifies the addresses.
        """
        memory = cls(calls)
        try:
            memory._take_direct(size)
        except BaseException:
            memory.close()
            raise
        return memory

    def _take_direct(self, size: int) -> None:
        page, fd = self._huge_file(size)
        total = -(-size // page) * page
        address = self._map_huge(fd, total, 0)
        runs = physical_runs(self._physical_addresses(address, total, page), page)
        # The file's pages come in any order; mapped again in the order of their physical addresses,
        # every bank is one range of this process.
        place, left = address, size
        for run in runs:
            for at, offset in enumerate(run.offsets):
                self._map(fd, page, offset, address=place + at * page)
            length = min(len(run.offsets) * page, left)
            if length:
                self._append(run.address, length, place)
            place += len(run.offsets) * page
            left -= length

    def _add_anonymous(self, extent: Extent) -> None:
        room = extent.size + _TRANSPARENT
        address = self.calls.mmap(
            -1,
            room,
            offset=0,
            protection=mmap.PROT_READ | mmap.PROT_WRITE,
            flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mman.MAP_NORESERVE,
        )
        self._resources.callback(self.calls.munmap, address, room)
        aligned = address + (extent.address - address) % _TRANSPARENT
        with suppress(OSError):  # a kernel without transparent huge pages
            self.calls.madvise(aligned, extent.size, mmap.MADV_HUGEPAGE)
        self._append(extent.address, extent.size, aligned)

    def _append(self, guest_address: int, size: int, host_address: int) -> None:
        block = Block(guest_address, size, host_address, self.calls.view(host_address, size))
        self.blocks = (*self.blocks, block)

    def _huge_file(self, size: int) -> tuple[int, int]:
        """(page size, memory file) for `size` bytes; the file is closed with this memory."""
        page = choose_page_size(size, self._free_huge_pages())
        flags = os.MFD_CLOEXEC | os.MFD_HUGETLB | (page.bit_length() - 1) << mman.MAP_HUGE_SHIFT
        try:
            fd = self.calls.memfd("midway-ram", flags, -(-size // page) * page)
        except OSError as error:
            raise KernelError("creating a file of huge pages", error.errno or 0) from error
        self._resources.callback(self.calls.close, fd)
        try:
            # Clearing huge pages takes long.  Here it holds no lock of this process's memory, as it would if
            # they came with the mapping: other threads go on.
            self.calls.fallocate(fd, -(-size // page) * page)
        except OSError as error:
            raise KernelError(
                f"taking {-(-size // page)} huge pages of {page >> 20} MiB",
                error.errno or 0,
                remedy="another process may have taken them meanwhile",
            ) from error
        return page, fd

    def _free_huge_pages(self) -> dict[int, int]:
        free = {}
        for size in HUGE_SIZES:
            try:
                free[size] = int(self.calls.read_file(f"{pool(size)}/free_hugepages"))
            except FileNotFoundError:
                continue
        return free

    def _map_huge(self, fd: int, size: int, offset: int) -> int:
        address = self._map(fd, size, offset)
        self._resources.callback(self.calls.munmap, address, size)
        return address

    def _map(self, fd: int, size: int, offset: int, *, address: int = 0) -> int:
        try:
            return self.calls.mmap(
                fd,
                size,
                offset=offset,
                protection=mmap.PROT_READ | mmap.PROT_WRITE,
                flags=mmap.MAP_SHARED | mmap.MAP_POPULATE | (mman.MAP_FIXED if address else 0),
                address=address,
            )
        except OSError as error:
            raise KernelError(f"mapping {size >> 20} MiB of huge pages", error.errno or 0) from error

    def _physical_addresses(self, address: int, size: int, page: int) -> tuple[int, ...]:
        entries = bytearray()
        try:
            fd = self.calls.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
            try:
                for at in range(address, address + size, page):
                    entries += self.calls.pread(fd, 8, at // PAGE * 8)
            finally:
                self.calls.close(fd)
        except OSError as error:
            remedy = "the kernel needs CONFIG_PROC_PAGE_MONITOR" if error.errno == errno.ENOENT else None
            attempted = "reading /proc/self/pagemap, where huge pages lie"
            raise KernelError(attempted, error.errno or 0, remedy=remedy) from error
        return frame_numbers(bytes(entries))
