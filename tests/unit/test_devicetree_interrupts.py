# SPDX-License-Identifier: Apache-2.0
"""Interrupts from a node to the controller that takes them."""

import pytest

from midway.devicetree import nexus
from midway.devicetree.gic import Trigger
from midway.devicetree.index import Tree
from midway.devicetree.interrupts import interrupt_parent, lines, root_gic
from midway.devicetree.node import Node, strings
from midway.devicetree.values import cell_list
from midway.errors import TreeError
from unit.dts import tree

GIC = 'gic: gic { compatible = "arm,gic-v3"; interrupt-controller; #interrupt-cells = <3>; };'


def board(body: str) -> Tree:
    return tree(f"interrupt-parent = <&gic>; {GIC} {body}")


def test_spis_triggers_names_and_duplicates_are_known() -> None:
    found = lines(board('d { interrupts = <0 5 4>, <0 6 1>, <0 5 4>; interrupt-names = "a", "b"; };'), "/d")
    assert [line.spi for line in found] == [5, 6, 5]
    assert [line.trigger for line in found] == [Trigger.LEVEL_HIGH, Trigger.EDGE_RISING, Trigger.LEVEL_HIGH]
    assert [line.name for line in found] == ["a", "b", None]
    assert [line.duplicate_of for line in found] == [None, None, 0]
    assert {line.controller for line in found} == {"/gic"}


def test_the_same_number_with_another_trigger_is_no_duplicate() -> None:
    assert [line.duplicate_of for line in lines(board("d { interrupts = <0 5 4>, <0 5 1>; };"), "/d")] == [
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("specifier", "spi"), [("0 987 4", 987), ("1 9 4", None), ("2 0 4", 4064), ("3 1 4", None), ("0 5 0", 5)]
)
def test_only_shared_interrupts_have_an_spi(specifier: str, spi: int | None) -> None:
    assert lines(board(f"d {{ interrupts = <{specifier}>; }};"), "/d")[0].spi == spi


def test_four_cells_are_understood() -> None:
    source = 'g: gic { compatible = "arm,gic-v3"; interrupt-controller; #interrupt-cells = <4>; };'
    found = lines(tree(f"interrupt-parent = <&g>; {source} d {{ interrupts = <0 9 1 0>; }};"), "/d")
    assert (found[0].spi, found[0].trigger) == (9, Trigger.EDGE_RISING)


def test_the_parent_is_the_nearest_one_named_or_met_on_the_way_up() -> None:
    found = board(
        "mid: mid { interrupt-controller; #interrupt-cells = <2>; below { d { interrupts = <3 8>; }; }; };"
        "far { interrupt-parent = <&mid>; d { interrupts = <1 2>; }; };"
    )
    assert interrupt_parent(found, "/mid/below/d") == "/mid"
    assert lines(found, "/mid/below/d")[0].trigger is Trigger.LEVEL_LOW
    assert lines(found, "/mid/below/d")[0].spi is None
    assert interrupt_parent(found, "/far/d") == "/mid"
    assert interrupt_parent(found, "/far") == "/mid"


def test_extended_interrupts_go_first_and_can_go_to_several_controllers() -> None:
    found = lines(
        board(
            "mid: mid { interrupt-controller; #interrupt-cells = <1>; };"
            "d { interrupts = <0 1 4>; interrupts-extended = <&mid 7>, <&gic 0 8 4>; };"
        ),
        "/d",
    )
    assert [(line.controller, line.spi) for line in found] == [("/mid", None), ("/gic", 8)]


def test_an_empty_entry_keeps_the_index_and_name_of_those_behind_it() -> None:
    stated = 'd { interrupts-extended = <&gic 0 5 4>, <0>, <&gic 0 5 4>; interrupt-names = "a", "b", "c"; };'
    found = lines(board(stated), "/d")
    assert [(line.index, line.name, line.duplicate_of) for line in found] == [(0, "a", None), (2, "c", 0)]


def test_a_nexus_maps_by_unit_address_and_specifier_under_its_mask() -> None:
    found = board(
        "bus { #address-cells = <2>; #size-cells = <1>; #interrupt-cells = <1>;"
        " interrupt-map-mask = <0xf 0 0x3f>; interrupt-map = <1 0 7 &gic 0 40 4>, <2 0 7 &gic 0 41 4>;"
        " d@2,0 { reg = <0x12 0 1>; interrupts = <7>; }; d@3,0 { reg = <3 0 1>; interrupts = <7>; }; };"
    )
    assert lines(found, "/bus/d@2,0")[0].spi == 41
    with pytest.raises(TreeError, match="does not map"):
        lines(found, "/bus/d@3,0")


def test_a_nexus_behind_another_has_no_address_cells_but_its_own() -> None:
    far = "far: far { #interrupt-cells = <1>; interrupt-map = <1 &gic 0 40 4>; };"
    addressed = (
        "addressed: addressed { #interrupt-cells = <1>; #address-cells = <1>;"
        " interrupt-map-mask = <0xff 0xff>; interrupt-map = <5 1 &gic 0 41 4>, <6 1 &gic 0 42 4>; };"
    )
    found = board(
        f"{far} {addressed} near: near {{ #interrupt-cells = <1>; #address-cells = <0>;"
        " interrupt-map = <7 &far 1>, <8 &addressed 0x106 1>; };"
        "d { interrupt-parent = <&near>; interrupts = <7>, <8>; };"
    )
    assert [line.spi for line in lines(found, "/d")] == [40, 42]


def test_rows_of_a_nexus_whose_controller_is_off_are_passed_over() -> None:
    found = board(
        "off: off { #interrupt-cells = <3>; interrupt-controller; };"
        "n: n { #interrupt-cells = <1>; #address-cells = <0>;"
        " interrupt-map = <7 &off 0 1 4>, <7 &gic 0 41 4>, <7 &gic 0 42 4>; };"
        "d { interrupt-parent = <&n>; interrupts = <7>; };"
    )
    assert lines(found, "/d")[0].controller == "/off"
    found["/off"].properties["status"] = strings("disabled")
    assert lines(Tree(found.root), "/d")[0].spi == 41


@pytest.mark.parametrize(("name", "spi"), [("some,controller", 40), ("fsl,ls1043a-extirq", None)])
def test_a_controller_with_a_map_is_a_nexus_unless_the_map_is_for_its_driver(
    name: str, spi: int | None
) -> None:
    found = board(
        f'both: both {{ compatible = "{name}"; interrupt-controller; #interrupt-cells = <1>;'
        " #address-cells = <0>; interrupt-map = <1 &gic 0 40 4>; };"
        "d { interrupt-parent = <&both>; interrupts = <1>; };"
    )
    assert lines(found, "/d")[0].spi == spi


def test_a_fault_in_a_map_is_one_only_for_what_is_not_mapped_before_it() -> None:
    found = board(
        "n: n { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <1 &gic 0 40 4>, <2 77>; };"
        "d { interrupt-parent = <&n>; interrupts = <1>; }; e { interrupt-parent = <&n>; interrupts = <2>; };"
    )
    assert lines(found, "/d")[0].spi == 40
    for _ in range(2):
        with pytest.raises(TreeError, match="no node has phandle 0x4d"):
            lines(found, "/e")


def test_a_map_is_read_once_for_all_interrupts_of_a_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noting(node: Node, name: str) -> tuple[int, ...]:
        read.append(name)
        return cell_list(node, name)

    monkeypatch.setattr(nexus, "cell_list", noting)
    found = board(
        "n: n { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <1 &gic 0 40 4>; };"
        "d { interrupt-parent = <&n>; interrupts = <1>, <1>; }; e { interrupts-extended = <&n 1>; };"
    )
    assert [line.spi for path in ("/d", "/e") for line in lines(found, path)] == [40, 40, 40]
    assert read.count("interrupt-map") == 1


def test_nexus_nodes_in_a_circle_are_an_error() -> None:
    found = tree(
        "a: a { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <1 &b 1>; };"
        "b: b { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <1 &a 1>; };"
        "d { interrupt-parent = <&a>; interrupts = <1>; };"
    )
    with pytest.raises(TreeError, match="circle"):
        lines(found, "/d")


def test_interrupt_parents_in_a_circle_are_an_error() -> None:
    found = tree(
        "a: a { interrupt-parent = <&b>; }; b: b { interrupt-parent = <&a>; };"
        "d { interrupt-parent = <&a>; interrupts = <1>; };"
    )
    with pytest.raises(TreeError, match="no interrupt parent"):
        lines(found, "/d")


@pytest.mark.parametrize("name", ["nvidia,tegra210-agic", "arm,gic-400"])
def test_a_gic_behind_another_controller_has_no_interrupts_of_the_root_gic(name: str) -> None:
    second = f'second: second {{ compatible = "{name}"; interrupt-controller; #interrupt-cells = <3>; }};'
    found = board(f"{second} d {{ interrupts-extended = <&second 0 5 1>, <&gic 0 6 4>; }};")
    assert [line.spi for line in lines(found, "/d")] == [None, 6]
    assert lines(found, "/d")[0].trigger is Trigger.EDGE_RISING
    assert [root_gic(found, path) for path in ("/second", "/gic", "/d")] == [None, 3, None]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("d { interrupts = <0 5>; };", "no entries of 3"),
        ("d { interrupts-extended = <&gic 0 5>; };", "3 arguments"),
        ("d { interrupts-extended = <77 0 5>; };", "no node has the phandle 0x4d"),
        ("d { interrupt-parent = <77>; interrupts = <0 5 4>; };", "phandle 0x4d"),
        (
            "z: z { #interrupt-cells = <0>; }; d { interrupt-parent = <&z>; interrupts = <1>; };",
            "no entries of 0",
        ),
        ("d { interrupts = [00]; };", "no cells"),
        (
            (
                'g: g { compatible = "arm,pl390"; interrupt-parent = <&g>; #interrupt-cells = <1>; };'
                "d { interrupts-extended = <&g 5>; };"
            ),
            "does not take 1 cells",
        ),
    ],
)
def test_malformed_interrupts_are_errors(body: str, complaint: str) -> None:
    with pytest.raises(TreeError, match=complaint):
        lines(board(body), "/d")
