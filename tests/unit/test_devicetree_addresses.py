# SPDX-License-Identifier: Apache-2.0
"""Addresses through buses."""

import pytest

from midway.devicetree.addresses import Span, dma_spans, registers, spans, translate
from midway.errors import TreeError
from unit.dts import tree


def test_a_register_at_the_root_is_where_it_says() -> None:
    board = tree("d@1 { reg = <1 2 0 0x1000>; };")
    assert registers(board, "/d@1") == (((1 << 32) + 2, 0x1000),)
    assert translate(board, "/d@1", 5) == 5


def test_empty_ranges_change_nothing_and_missing_ones_pass_nothing_on() -> None:
    board = tree(
        "open { ranges; #address-cells = <2>; #size-cells = <2>; d@5 { reg = <0 5 0 1>; }; };"
        "shut { #address-cells = <1>; #size-cells = <0>; d@5 { reg = <5>; }; };"
    )
    assert translate(board, "/open/d@5", 5) == 5
    assert translate(board, "/shut/d@5", 5) is None
    assert spans(board, "/open") == ()
    assert spans(board, "/shut") is None


def test_several_levels_add_up_to_64_bits() -> None:
    board = tree(
        "outer { #address-cells = <1>; #size-cells = <1>; ranges = <0x10000000 0x8 0x0 0x1000000>;"
        " inner { #address-cells = <1>; #size-cells = <1>; ranges = <0 0x10100000 0x10000>,"
        " <0x20000 0x10200000 0x10000>; d@20040 { reg = <0x20040 0x10>; }; }; };"
    )
    assert registers(board, "/outer/inner/d@20040") == ((0x20040, 0x10),)
    assert translate(board, "/outer/inner/d@20040", 0x20040) == 0x8_0020_0040
    assert translate(board, "/outer/inner/d@20040", 0x10040) is None, "between the two ranges"


def test_cell_counts_are_inherited_as_linux_does() -> None:
    board = tree("bus { ranges; d@5 { reg = <0 5 0 7>; }; };")
    assert registers(board, "/bus/d@5") == ((5, 7),)


def test_pci_addresses_are_not_the_cpus() -> None:
    board = tree(
        'pci { device_type = "pci"; #address-cells = <3>; #size-cells = <2>;'
        " ranges = <0x2000000 0 0 0 0x40000000 0 0x10000000>; d@0 { reg = <0x2000000 0 0 0 0>; }; };"
    )
    assert translate(board, "/pci/d@0", 0) is None


def test_an_incomplete_last_entry_is_left_out() -> None:
    assert registers(tree("d@1 { reg = <0 1 0 2 0 3>; };"), "/d@1") == ((1, 2),)


def test_absurd_cell_counts_and_ragged_properties_are_errors() -> None:
    with pytest.raises(TreeError, match="more than 4"):
        registers(tree("bus { #address-cells = <0xffffffff>; ranges; d@5 { reg = <5>; }; };"), "/bus/d@5")
    with pytest.raises(TreeError, match="no entries of 6"):
        spans(tree("bus { ranges = <1 2 3 4>; };"), "/bus")
    with pytest.raises(TreeError, match="no cells"):
        registers(tree("d@1 { reg = [01 02 03]; };"), "/d@1")


def test_dma_ranges_of_all_buses_narrow_what_a_device_reaches() -> None:
    board = tree(
        "outer { #address-cells = <1>; #size-cells = <1>; ranges; dma-ranges = <0 0x8 0 0x80000000>;"
        " inner { #address-cells = <1>; #size-cells = <1>; ranges;"
        " dma-ranges = <0xc0000000 0x40000000 0x20000000>; d@1 { reg = <1 1>; }; };"
        " plain { #address-cells = <1>; #size-cells = <1>; ranges; dma-ranges; d@1 { reg = <1 1>; }; }; };"
        "d@1 { };"
    )
    assert dma_spans(board, "/outer/inner/d@1") == (Span(0xC0000000, 0x8_4000_0000, 0x20000000),)
    assert dma_spans(board, "/outer/plain/d@1") == (Span(0, 0x8_0000_0000, 0x80000000),)
    assert dma_spans(board, "/d@1") is None


def test_dma_ranges_with_nothing_in_common_reach_nothing() -> None:
    board = tree(
        "outer { #address-cells = <1>; #size-cells = <1>; ranges; dma-ranges = <0 0 0 0x1000>;"
        " inner { #address-cells = <1>; #size-cells = <1>; ranges; dma-ranges = <0 0x10000 0x1000>;"
        " d@1 { reg = <1 1>; }; }; };"
    )
    assert dma_spans(board, "/outer/inner/d@1") == ()
