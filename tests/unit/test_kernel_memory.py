# SPDX-License-Identifier: Apache-2.0
"""The guest's RAM: huge pages by physical address, and where ordinary memory lies."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midway.errors import HostError, KernelError
from midway.kernel.hugepages import PAGE, choose_page_size, frame_numbers, physical_runs, pool
from midway.kernel.memory import Extent, GuestMemory
from unit.fakes import FakeKernel

GIB, MIB2 = 1 << 30, 1 << 21
PAGEMAP = "/proc/self/pagemap"


def entry(address: int) -> int:
    return 1 << 63 | address // PAGE


@given(st.lists(st.integers(0, 1 << 20), unique=True, min_size=1, max_size=60))
def test_runs_hold_every_page_once_and_never_touch(frames: list[int]) -> None:
    addresses = [frame * MIB2 for frame in frames]
    runs = physical_runs(addresses, MIB2)
    placed = {run.address + at * MIB2: offset for run in runs for at, offset in enumerate(run.offsets)}
    assert placed == {address: index * MIB2 for index, address in enumerate(addresses)}
    ends = [run.address + len(run.offsets) * MIB2 for run in runs]
    assert all(end < later.address for end, later in zip(ends, runs[1:], strict=False))


@pytest.mark.parametrize(
    ("wanted", "free", "chosen"),
    [
        (GIB, {GIB: 1, MIB2: 1024}, GIB),
        (GIB, {GIB: 0, MIB2: 512}, MIB2),
        (512 << 20, {GIB: 1, MIB2: 1024}, MIB2),
        (512 << 20, {GIB: 1, MIB2: 255}, GIB),
        (3 * GIB, {GIB: 4, MIB2: 4096}, GIB),
    ],
)
def test_the_page_size_that_wastes_nothing_in_the_fewest_pages(
    wanted: int, free: dict[int, int], chosen: int
) -> None:
    assert choose_page_size(wanted, free) == chosen


def test_too_few_huge_pages_name_the_pool_and_the_command() -> None:
    with pytest.raises(HostError, match=r"0 x 2 MiB.*echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB"):
        choose_page_size(512 << 20, {MIB2: 0})


def test_the_advice_is_a_page_size_that_a_running_kernel_can_find() -> None:
    free = {64 << 10: 0, MIB2: 16, 32 << 20: 0, GIB: 1}
    with pytest.raises(HostError, match=r"0 x 64 KiB.*1 x 1024 MiB.*echo 4500 > .*2048kB"):
        choose_page_size(9000 << 20, free)


def test_hidden_physical_addresses_are_a_matter_of_privilege() -> None:
    with pytest.raises(HostError, match="CAP_SYS_ADMIN"):
        frame_numbers(struct.pack("=Q", 1 << 63))


def test_physical_addresses_come_from_the_frame_number() -> None:
    entries = struct.pack("=2Q", entry(0x8_0000_0000), entry(0x4000_0000) | 1 << 61)
    assert frame_numbers(entries) == (0x8_0000_0000, 0x4000_0000)


def test_a_page_at_physical_address_zero_is_not_taken_for_a_hidden_one() -> None:
    entries = struct.pack("=2Q", 1 << 63, 1 << 63 | 0x200)
    assert frame_numbers(entries) == (0, 0x20_0000)


def test_frames_that_all_read_as_zero_are_hidden() -> None:
    with pytest.raises(HostError, match="does not tell"):
        frame_numbers(struct.pack("=2Q", 1 << 63, 1 << 63))


class PagedKernel(FakeKernel):
    """`placed` are the physical addresses of the next memory file's pages; none: no pagemap."""

    def __init__(self) -> None:
        super().__init__()
        self.placed: dict[int, int] = {}

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        if not self.placed:
            return super().pread(fd, size, offset)
        assert (fd, size) == (9, 8)
        return struct.pack("=Q", entry(self.placed[offset // 8]))


@pytest.fixture
def kernel() -> PagedKernel:
    fake = PagedKernel()
    fake.opens[PAGEMAP] = 9
    fake.files[f"{pool(MIB2)}/free_hugepages"] = "8\n"
    return fake


def place(kernel: PagedKernel, addresses: list[int]) -> None:
    """Let the next memory file's pages lie at these physical addresses."""
    start = 0x7000_0000_0000
    kernel.placed = {start // PAGE + i * (MIB2 // PAGE): address for i, address in enumerate(addresses)}


def test_direct_memory_lies_at_its_physical_addresses_in_rising_banks(kernel: PagedKernel) -> None:
    place(kernel, [0x5000_0000, 0x4000_0000, 0x4020_0000])
    with GuestMemory.direct(kernel, 3 * MIB2) as memory:
        assert memory.extents == (Extent(0x4000_0000, 2 * MIB2), Extent(0x5000_0000, MIB2))
        first, second = memory.blocks
        assert second.host_address == first.host_address + 2 * MIB2
    fixed = [(call[3], call[5]) for call in kernel.log if call[0] == "mmap" and call[5]]
    base = 0x7000_0000_0000
    assert fixed == [(MIB2, base), (2 * MIB2, base + MIB2), (0, base + 2 * MIB2)]
    assert kernel.open_fds == set()
    assert kernel.mappings == {}


def test_a_guest_gets_only_the_memory_it_asked_for(kernel: PagedKernel) -> None:
    place(kernel, [0x4000_0000, 0x6000_0000])
    with GuestMemory.direct(kernel, MIB2 + PAGE) as memory:
        assert memory.extents == (Extent(0x4000_0000, MIB2), Extent(0x6000_0000, PAGE))
        assert memory.size == MIB2 + PAGE


def test_huge_pages_another_process_took_leave_nothing_open(kernel: PagedKernel) -> None:
    kernel.refused_maps.add(101)
    with pytest.raises(KernelError, match="another process may have taken them") as caught:
        GuestMemory.direct(kernel, MIB2)
    assert caught.value.errno == errno.ENOSPC
    assert kernel.open_fds == set()


def test_huge_pages_may_back_ram_at_any_address(kernel: PagedKernel) -> None:
    with GuestMemory.huge(kernel, [Extent(GIB, 2 * MIB2)]) as memory:
        assert memory.extents == (Extent(GIB, 2 * MIB2),)


def test_ordinary_memory_agrees_with_the_guest_modulo_a_huge_page(kernel: PagedKernel) -> None:
    with GuestMemory.anonymous(kernel, [Extent(GIB + PAGE, 4 * PAGE)]) as memory:
        (block,) = memory.blocks
        assert block.host_address % MIB2 == PAGE
    assert kernel.mappings == {}


def test_a_view_is_of_one_bank(kernel: PagedKernel) -> None:
    with GuestMemory.anonymous(kernel, [Extent(GIB, PAGE), Extent(2 * GIB, PAGE)]) as memory:
        memory.view(2 * GIB + 8, 2)[:] = b"ab"
        assert bytes(memory.blocks[1].view[8:10]) == b"ab"
        with pytest.raises(ValueError, match="no bank"):
            memory.view(GIB + PAGE - 1, 2)


def test_a_kernel_that_tells_no_physical_addresses_is_no_traceback(kernel: PagedKernel) -> None:
    del kernel.opens[PAGEMAP]
    with pytest.raises(KernelError, match=r"reading /proc/self/pagemap.*ENOENT.*CONFIG_PROC_PAGE_MONITOR"):
        GuestMemory.direct(kernel, MIB2)
    assert kernel.open_fds == set()
