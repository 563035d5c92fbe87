# SPDX-License-Identifier: Apache-2.0
"""The guest's physical address space never has two owners at one place."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midway.board.address_map import AddressMap
from midway.board.memory import anonymous_banks, place_images
from midway.board.plan import Bank, Window
from midway.config import MachineConfig
from midway.errors import PlanError

ALIGNMENTS = st.sampled_from([0x1000, 0x10000, 0x200000])
SIZES = st.integers(1, 0x4000_0000)
PLACES = st.integers(0, (1 << 36) - 1).map(lambda page: page & ~0xFFF)


@given(
    st.lists(st.tuples(PLACES, SIZES), max_size=6),
    st.lists(st.tuples(SIZES, ALIGNMENTS), max_size=20),
)
def test_whatever_is_taken_never_overlaps_and_is_aligned(
    banks: list[tuple[int, int]], wanted: list[tuple[int, int]]
) -> None:
    addresses = AddressMap(36)
    for address, size in banks:
        with contextlib.suppress(PlanError):  # overlapping or outside, as drawn
            addresses.reserve(address, size, "RAM")
    for size, alignment in wanted:
        try:
            window = addresses.allocate(size, "device", alignment=alignment)
        except PlanError:
            assert all(after - before < size + alignment for before, after in holes(addresses))
        else:
            assert window.address % alignment == 0
            assert window.size == size
    for lower, upper in itertools.pairwise(addresses.taken):
        assert lower.end <= upper.start
    assert all(taken.end <= 1 << 36 for taken in addresses.taken)


def holes(addresses: AddressMap) -> list[tuple[int, int]]:
    edges = [
        1 << 20,
        *(edge for taken in addresses.taken for edge in (taken.start, taken.end)),
        addresses.end,
    ]
    return [(before, after) for before, after in zip(edges[::2], edges[1::2], strict=True) if before < after]


def test_devices_go_below_4_gib_while_there_is_room_and_above_when_there_is_none() -> None:
    addresses = AddressMap(40)
    addresses.reserve(0, 0xFFFF_0000, "RAM")
    assert addresses.allocate(0x10000, "first", alignment=0x10000).address == 0xFFFF_0000
    assert addresses.allocate(0x1000, "second").address == 0x1_0000_0000


def test_devices_go_between_two_banks() -> None:
    addresses = AddressMap(40)
    addresses.reserve(0, 0x8000_0000, "RAM")
    addresses.reserve(0x8001_0000, 0x1_0000_0000, "more RAM")
    assert addresses.allocate(0x10000, "device", alignment=0x10000) == Window(0x8000_0000, 0x10000)


def test_exhaustion_says_who_found_no_room() -> None:
    addresses = AddressMap(32)
    addresses.reserve(0, 1 << 32, "RAM")
    with pytest.raises(PlanError, match=r"placing region 0 of a\.uart: no hole of 0x1000 bytes"):
        addresses.allocate(0x1000, "region 0 of a.uart")


def test_a_place_that_is_taken_says_by_whom() -> None:
    addresses = AddressMap()
    addresses.reserve(0x1000, 0x1000, "the UART")
    with pytest.raises(PlanError, match="placing a device at 0x1800: the UART is at 0x1000 to 0x1fff"):
        addresses.reserve(0x1800, 0x1000, "a device")
    with pytest.raises(PlanError, match="do not fit into 40 bits"):
        addresses.reserve((1 << 40) - 0x1000, 0x2000, "a device")


def test_anonymous_ram_leaves_the_first_gib_and_what_must_be_clear() -> None:
    config = MachineConfig(kernel="Image", memory=4096)
    assert anonymous_banks(config) == (Bank(1 << 30, 4 << 30),)
    clear = (Window(0xFF0D0000, 0x1000), Window(0x1_8000_0000, 0x1000))
    assert anonymous_banks(config, clear) == (Bank(0x1_C000_0000, 4 << 30),)


@given(
    image=st.integers(1, 256 << 20), initrd=st.integers(0, 512 << 20), offset=st.sampled_from([0, 0x80000])
)
def test_kernel_tree_and_initrd_lie_in_one_bank_apart(image: int, initrd: int, offset: int) -> None:
    small, large = Bank(0x4000_0000, 16 << 20), Bank(0x8_0000_1000, (1 << 30) - 0x1000)
    layout = place_images((large, small), image_size=image, text_offset=offset, initrd_size=initrd)
    bank = small if layout.kernel < large.address else large
    assert (layout.kernel - offset) % (2 << 20) == 0
    assert bank.address <= layout.kernel
    assert layout.kernel + image <= layout.tree
    assert layout.tree % (2 << 20) == 0
    end = layout.tree + (2 << 20)
    if initrd:
        assert layout.initrd is not None
        assert layout.initrd.address >= end
        assert layout.initrd.size == initrd
        end = layout.initrd.address + initrd
    assert end <= bank.address + bank.size


def test_images_that_do_not_fit_say_how_much_they_need() -> None:
    with pytest.raises(
        PlanError, match=r"need 103 MiB together, the largest has 64 MiB \(give the VM more memory\)"
    ):
        place_images((Bank(1 << 30, 64 << 20),), image_size=31 << 20, text_offset=0, initrd_size=69 << 20)
