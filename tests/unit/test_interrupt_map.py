# SPDX-License-Identifier: Apache-2.0
"""The guest's SPIs have one owner each."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midway.board.interrupt_map import MOST_SPIS, InterruptMap
from midway.errors import PlanError


@given(st.sets(st.integers(0, MOST_SPIS - 1), max_size=50), st.integers(0, 50))
def test_no_spi_is_given_twice_and_the_gic_has_all_of_them(reserved: set[int], count: int) -> None:
    interrupts = InterruptMap()
    for spi in reserved:
        interrupts.reserve(spi, "fixed")
    given_out = [interrupts.allocate("device") for _ in range(count)]
    assert len(set(given_out) | reserved) == count + len(reserved)
    assert given_out == sorted(given_out)
    assert interrupts.size % 32 == 0
    assert all(0 <= spi < min(MOST_SPIS, interrupts.size) for spi in interrupts.owners)


def test_the_last_spi_is_987_and_then_there_is_none() -> None:
    interrupts = InterruptMap()
    assert [interrupts.allocate("device") for _ in range(MOST_SPIS)][-1] == 987
    with pytest.raises(PlanError, match=r"giving an interrupt to line 0 of a\.uart: all 988"):
        interrupts.allocate("line 0 of a.uart")


def test_a_reservation_of_what_is_taken_or_does_not_exist_is_an_error() -> None:
    interrupts = InterruptMap()
    interrupts.reserve(5, "the UART")
    with pytest.raises(PlanError, match="giving SPI 5 to a device: the UART has it"):
        interrupts.reserve(5, "a device")
    with pytest.raises(PlanError, match="SPIs are 0 to 987"):
        interrupts.reserve(988, "a device")
