# SPDX-License-Identifier: Apache-2.0
"""Addresses through buses."""

import pytest

from midway.devicetree.addresses import Span, cpu_spans, dma_parents, dma_spans, registers, spans, translate
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


@pytest.mark.parametrize("entry", ["1 0 0 0 0 0 0 0 1", "0 0 0 1 0 0 0 0 1", "0 0 0 0 0 0 1 0 0"])
def test_dma_ranges_of_more_than_64_bits_are_an_error(entry: str) -> None:
    board = tree(
        "outer { #address-cells = <3>; #size-cells = <2>; ranges;"
        f" inner {{ #address-cells = <3>; #size-cells = <3>; dma-ranges = <{entry}>; d@1 {{ }}; }}; }};"
    )
    with pytest.raises(TreeError, match="more than 64 bits"):
        dma_spans(board, "/outer/inner/d@1")


MEMORY_BUS = (
    "mbus: mbus@0 { #interconnect-cells = <1>; #address-cells = <1>; #size-cells = <1>;"
    " dma-ranges = <0 0x40000000 0xc0000000>; };"
)


def soc(body: str) -> str:
    return f"soc {{ #address-cells = <1>; #size-cells = <1>; ranges; {MEMORY_BUS} {body} }};"


def test_the_interconnect_to_memory_takes_the_place_of_the_bus_for_dma() -> None:
    board = tree(
        soc('d@1 { interconnects = <&mbus 3>, <&mbus 9>; interconnect-names = "x", "dma-mem"; }; e@2 { };')
    )
    assert [*dma_parents(board, "/soc/d@1")] == ["/soc/mbus@0", "/soc", "/"]
    assert dma_spans(board, "/soc/d@1") == (Span(0, 0x40000000, 0xC0000000),)
    assert [*dma_parents(board, "/soc/e@2")] == ["/soc", "/"]
    assert dma_spans(board, "/soc/e@2") is None


@pytest.mark.parametrize("stated", ["", "interconnects = <&mbus 9>;", "interconnects = <&mbus 9>, <0>;"])
def test_dma_without_an_interconnect_to_memory_passes_the_buses(stated: str) -> None:
    board = tree(soc(f'd@1 {{ {stated} interconnect-names = "write", "dma-mem"; }};'))
    assert [*dma_parents(board, "/soc/d@1")] == ["/soc", "/"]


@pytest.mark.parametrize(
    ("stated", "complaint"), [("<77 9>", "no node has the phandle 0x4d"), ("<&mbus>", "1 arguments")]
)
def test_a_malformed_interconnect_to_memory_is_an_error(stated: str, complaint: str) -> None:
    board = tree(soc(f'd@1 {{ interconnects = {stated}; interconnect-names = "dma-mem"; }};'))
    with pytest.raises(TreeError, match=complaint):
        dma_spans(board, "/soc/d@1")


def test_interconnects_to_memory_that_lead_in_a_circle_are_an_error() -> None:
    there = 'interconnect-names = "dma-mem"; #interconnect-cells = <0>;'
    board = tree(f"a: a {{ interconnects = <&b>; {there} }}; b: b {{ interconnects = <&a>; {there} }};")
    with pytest.raises(TreeError, match="it comes to /a twice"):
        dma_spans(board, "/a")


@pytest.mark.parametrize("name", ["ranges", "dma-ranges"])
def test_buses_that_cut_addresses_into_too_many_parts_are_an_error(name: str) -> None:
    """Two each, one below the other twenty times: together they would have a million."""
    below = "".join(f"b {{ {name} = <0 0 0 0 1 0>, <0 0 0 0 1 0>;" for _ in range(20))
    board = tree(f"{below} d {{ }}; {'};' * 20}")
    at = "/b" * 20
    with pytest.raises(TreeError, match="too many"):
        cpu_spans(board, at) if name == "ranges" else dma_spans(board, f"{at}/d")


def test_the_cpus_addresses_of_a_bus_are_what_all_above_it_make_of_them() -> None:
    board = tree(
        "outer { #address-cells = <1>; #size-cells = <1>; ranges = <0x1000 0x8 0 0x1000>;"
        " open { ranges; }; moved { ranges = <0 0x1800 0x1000>; }; };"
        "shut { open { ranges; }; }; open { ranges; };"
    )
    assert cpu_spans(board, "/outer/open") == (Span(0x1000, 0x8_0000_0000, 0x1000),)
    assert cpu_spans(board, "/outer/moved") == (Span(0, 0x8_0000_0800, 0x800),)
    assert cpu_spans(board, "/shut/open") == ()
    assert cpu_spans(board, "/open") is None
