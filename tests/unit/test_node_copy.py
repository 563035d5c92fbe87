# SPDX-License-Identifier: Apache-2.0
"""The device's node in the guest: registers, interrupts, children, DMA."""

import pytest

from midway.board.tree import platform_buses
from midway.config import AddressPolicy, InterruptMode
from midway.devicetree.addresses import Span, registers, spans, translate
from midway.devicetree.index import Tree
from midway.devicetree.node import Node, cells, cells64, strings
from midway.devicetree.values import cell_list
from midway.findings import Severity
from unit.planned import board, codes, device, findings, plan, plans


def test_names_order_and_unknown_properties_stay() -> None:
    found = plan(
        'd@10000 { vendor,knob = <7>; compatible = "x", "y";'
        ' reg = <0 0x10000 0 0x1000>, <0 0x30000 0 0x2000>; reg-names = "a", "b";'
        ' status = "okay"; phandle = <3>; };'
    )
    assert found.node.name == f"d@{found.mmio[0].guest_address:x}"
    assert list(found.node.properties.items()) == [
        ("vendor,knob", cells(7)),
        ("compatible", strings("x", "y")),
        ("reg", cells64(found.mmio[0].guest_address, 0x1000, found.mmio[1].guest_address, 0x2000)),
        ("reg-names", strings("a", "b")),
    ]


def test_lines_go_to_the_guests_gic_in_order_with_duplicates_and_names() -> None:
    found = plan(device('interrupts = <0 9 4>, <0 8 1>, <0 9 4>; interrupt-names = "a", "b", "c";'))
    assert found.node.properties["interrupts"] == cells(0, 0, 4, 0, 1, 1, 0, 0, 4)
    assert found.node.properties["interrupt-names"] == strings("a", "b", "c")
    assert [(route.line.index, route.spi) for route in found.lines] == [(0, 0), (1, 1)]
    level, edge = found.lines
    assert (level.mode, edge.mode) == (InterruptMode.FORWARD, InterruptMode.IRQFD)
    assert "line-duplicate" in codes(found, Severity.NOTE)


def test_an_edge_line_is_not_forwarded_even_if_asked_for_and_the_plan_says_so() -> None:
    found = plan(device("interrupts = <0 9 4>, <0 8 1>;"), irq=InterruptMode.FORWARD)
    assert [route.mode for route in found.lines] == [InterruptMode.FORWARD, InterruptMode.IRQFD]
    assert all(route.asked for route in found.lines)
    assert "line-edge" in codes(found, Severity.NOTE)


def test_extended_interrupts_become_plain_ones() -> None:
    found = plan(device("interrupts-extended = <&gic 0 9 8>;"), irq=InterruptMode.USERSPACE)
    assert "interrupts-extended" not in found.node.properties
    assert found.node.properties["interrupts"] == cells(0, 0, 4)
    assert found.lines[0].mode is InterruptMode.USERSPACE


def test_a_line_behind_an_empty_entry_is_refused() -> None:
    found = plan(device("interrupts-extended = <&gic 0 9 4>, <0>, <&gic 0 8 4>;"))
    assert codes(found, Severity.REFUSAL) == {"line-unroutable"}
    assert "line 2 comes after an empty entry" in findings(found, Severity.REFUSAL)[0].cause
    assert [route.line.index for route in found.lines] == [0]


def test_a_private_interrupt_is_refused() -> None:
    found = plan(device("interrupts = <1 7 4>, <0 3 4>;"))
    assert codes(found, Severity.REFUSAL) == {"line-unroutable"}
    assert "PPI 7" in findings(found, Severity.REFUSAL)[0].cause


def test_a_line_through_another_controller_works_but_for_forwarding() -> None:
    chip = "chip: chip@50000 { reg = <0 0x50000 0 0x1000>; interrupt-controller; #interrupt-cells = <2>; };"
    found = plan(chip + device("interrupts-extended = <&chip 3 8>;"))
    assert codes(found) == {"line-behind-controller"}
    assert found.node.properties["interrupts"] == cells(0, 0, 4)


def test_a_line_at_an_expander_on_a_slow_bus_is_refused() -> None:
    bus = (
        "i2c@50000 { reg = <0 0x50000 0 0x1000>; #address-cells = <1>; #size-cells = <0>;"
        " chip: chip@7 { reg = <7>; interrupt-controller; #interrupt-cells = <2>; }; };"
    )
    assert codes(plan(bus + device("interrupts-extended = <&chip 3 8>;")), Severity.REFUSAL) == {
        "line-unroutable"
    }


def test_a_line_that_others_have_too_names_them() -> None:
    other = 'o@20000 { compatible = "x"; reg = <0 0x20000 0 0x1000>; interrupts = <0 9 4>; };'
    found = plan(other + device("interrupts = <0 9 4>;"))
    assert codes(found) == {"line-shared"}
    assert "20000.o" in findings(found)[0].cause


def test_a_region_that_is_no_whole_page_is_trapped_and_names_who_shares_it() -> None:
    other = 'o@10800 { compatible = "x"; reg = <0 0x10800 0 0x100>; };'
    found = plan(other + device("", size="0x200"))
    assert not found.mmio[0].mapped
    (finding,) = findings(found)
    assert finding.code == "region-trapped"
    assert "10800.o is in the same page" in finding.cause
    assert plan(device("")).mmio[0].mapped


def test_guest_addresses_suit_guests_with_large_pages_and_huge_mappings() -> None:
    found = plan(
        'd@10000 { compatible = "x";'
        " reg = <0 0x10000 0 0x1000>, <0 0x11000 0 0x1000>, <0 0x400000 0 0x300000>; };"
    )
    first, second, third = (route.guest_address for route in found.mmio)
    assert first % 0x10000 == second % 0x10000 == 0
    assert third % 0x200000 == 0


def test_regions_can_stay_where_they_are_on_the_host() -> None:
    host = board('o@20000 { compatible = "x"; reg = <0 0x100000 0 0x100000>; };' + device(""))
    second, first = plans(host, "100000.o", "10000.d", address=AddressPolicy.HOST)
    assert second.mmio[0].guest_address == 0x100000
    assert first.mmio[0].guest_address >= 0x200000, "room that is asked for by address is kept free"


def test_an_empty_region_is_refused() -> None:
    assert codes(plan(device("", size="0")), Severity.REFUSAL) == {"empty-region"}


BUS = 'bus {{ compatible = "simple-bus"; ranges; {} #address-cells = <2>; #size-cells = <2>; {} }};'


@pytest.mark.parametrize(
    ("of_the_bus", "of_the_device", "the_guests_bus_says_so"),
    [
        ("", "", False),
        ("dma-coherent;", "", True),
        ("dma-coherent;", "dma-noncoherent;", False),
        ("", "dma-coherent;", False),
    ],
)
def test_coherence_is_stated_where_the_host_states_it(
    of_the_bus: str, of_the_device: str, the_guests_bus_says_so: bool
) -> None:
    found = plan(BUS.format(of_the_bus, device(of_the_device)))
    (guests_bus,) = platform_buses([found])
    assert ("dma-coherent" in guests_bus.properties) == the_guests_bus_says_so
    assert ("dma-coherent" in found.node.properties) == (of_the_device == "dma-coherent;")
    assert ("dma-noncoherent" in found.node.properties) == (of_the_device == "dma-noncoherent;")


def test_what_the_hosts_bus_does_to_dma_the_guests_must_do() -> None:
    bus = (
        'bus { compatible = "simple-bus"; ranges; dma-ranges = <0 0xc0000000 0 0 0 0x40000000>;'
        f" #address-cells = <2>; #size-cells = <2>; {device('')} }};"
    )
    assert plan(bus).dma.reach == (Span(0xC0000000, 0, 0x40000000),)
    assert plan(device("")).dma.reach is None


MEMORY_BUS = (
    "mbus: mbus { #interconnect-cells = <0>; #address-cells = <1>; #size-cells = <1>; dma-coherent;"
    " dma-ranges = <0 0 0x40000000 0xc0000000>; };"
)


def test_what_the_interconnect_to_memory_does_to_dma_the_guests_bus_must_do() -> None:
    found = plan(MEMORY_BUS + device('interconnects = <&mbus>; interconnect-names = "dma-mem";'))
    (guests_bus,) = platform_buses([found])
    assert guests_bus.properties["dma-ranges"] == cells(0, 0, 0, 0x40000000, 0, 0xC0000000)
    assert "dma-coherent" in guests_bus.properties
    assert not {"interconnects", "interconnect-names"} & found.node.properties.keys()


def test_a_malformed_interconnect_to_memory_is_refused() -> None:
    found = plan(device('interconnects = <77>; interconnect-names = "dma-mem";'))
    assert "dma-window" in codes(found, Severity.REFUSAL)


@pytest.mark.parametrize("ranges", ["<0 0 0 0 1 0 0>", "<0 0 0 0 0 0 0>"])
def test_dma_that_reaches_nothing_or_more_than_64_bits_is_refused_and_has_a_tree_to_look_at(
    ranges: str,
) -> None:
    bus = (
        f'bus {{ compatible = "simple-bus"; ranges; dma-ranges = {ranges}; #address-cells = <2>;'
        ' #size-cells = <3>; d@10000 { compatible = "x"; reg = <0 0x10000 0 0 0x1000>; }; };'
    )
    found = plan(bus)
    assert "dma-window" in codes(found, Severity.REFUSAL)
    assert platform_buses([found])[0].children == [found.node]


def test_children_without_addresses_on_the_cpus_bus_go_along() -> None:
    found = plan(
        device(
            "#address-cells = <1>; #size-cells = <0>;",
            'phy@1 { reg = <1>; }; phy@2 { reg = <2>; status = "disabled"; phy@3 { reg = <3>; }; };',
        )
    )
    assert [child.name for child in found.node.children] == ["phy@1"]
    assert found.node.children[0].properties == {"reg": cells(1)}


def test_a_child_within_the_regions_is_found_at_its_guest_address() -> None:
    found = plan(
        device(
            "#address-cells = <1>; #size-cells = <1>; ranges = <0x0 0 0x10000 0x8000>;",
            "block@400 { reg = <0x400 0x100>; };",
            size="0x4000",
        )
    )
    assert found.node.children[0].properties["reg"] == cells(0x400, 0x100)
    place = found.mmio[0].guest_address
    assert found.node.properties["ranges"] == cells(0, 0, place, 0x4000), "only what the device has"


@pytest.mark.parametrize(
    ("ranges", "child"), [("ranges;", "10100"), ("ranges = <0 0x10000 0x1000>;", "100"), ("", "100")]
)
def test_a_child_below_buses_that_move_addresses_is_found_at_its_guest_address(
    ranges: str, child: str
) -> None:
    """The first bus splits what it passes on in two, the second does nothing."""
    one = "#address-cells = <1>; #size-cells = <1>;"
    found = plan(
        f'soc {{ compatible = "simple-bus"; {one}'
        " ranges = <0 0 0xa0000000 0x10800>, <0x10800 0 0xa0010800 0x10000>;"
        f' bus {{ compatible = "simple-bus"; {one} ranges;'
        f' d@10000 {{ compatible = "x"; reg = <0x10000 0x1000>; {one} {ranges}'
        f" c@{child} {{ reg = <0x{child} 0x100>; }}; }}; }}; }};",
        "a0010000.d",
    )
    guest = Tree(Node("", {"#address-cells": cells(2), "#size-cells": cells(2)}, [*platform_buses([found])]))
    path = f"/platform/{found.node.name}/c@{child}"
    expected = found.mmio[0].guest_address + 0x100 if ranges else None
    assert translate(guest, path, registers(guest, path)[0][0]) == expected


def test_a_window_that_a_bus_states_twice_is_one() -> None:
    one = "#address-cells = <1>; #size-cells = <1>;"
    found = plan(
        f'soc {{ compatible = "simple-bus"; {one} ranges = <0 0 0xa0000000 0x8000>, <0 0 0xa0000000 0x8000>;'
        f' d@0 {{ compatible = "x"; reg = <0 0x1000>; {one} ranges = <0 0 0x1000>;'
        " c@0 { reg = <0 1>; }; }; };",
        "a0000000.d",
    )
    assert found.node.properties["ranges"] == cells(0, *divmod(found.mmio[0].guest_address, 1 << 32), 0x1000)


def test_a_child_outside_the_regions_stays_behind_and_can_be_passed_alone() -> None:
    core = 'core@90000 { compatible = "core"; reg = <0 0x90000 0 0x1000>; interrupts = <0 4 4>; };'
    host = board(device("#address-cells = <2>; #size-cells = <2>; ranges;", core))
    (wrapper,) = plans(host, "10000.d")
    assert wrapper.node.children == []
    assert "pass 90000.core as well, or alone" in findings(wrapper)[0].remedy
    (alone,) = plans(host, "90000.core")
    assert alone.node.properties["interrupts"] == cells(0, 0, 4)
    assert "made-by-driver" in codes(alone, Severity.NOTE)
    both = plans(host, "10000.d", "90000.core")
    assert [codes(found) for found in both] == [set(), {"made-by-driver"}]


def test_cells_that_the_host_inherits_are_stated() -> None:
    found = plan(device("ranges;", "sub@10000 { reg = <0 0x10000 0 4>; };"))
    assert found.node.properties["#address-cells"] == found.node.properties["#size-cells"] == cells(2)


def test_childrens_interrupts_follow_the_devices_lines() -> None:
    found = plan(
        device(
            "interrupts = <0 9 4>;",
            'same { interrupts = <0 9 4>; };other { interrupts = <0 10 4>; interrupt-names = "x"; };',
        )
    )
    same, other = found.node.children
    assert same.properties["interrupts"] == cells(0, 0, 4)
    assert "interrupt-parent" in same.properties
    assert other.properties == {}
    assert codes(found) == {"child-line"}


def test_interrupts_that_stay_within_the_device_stay_as_they_are() -> None:
    found = plan(
        device(
            "interrupts = <0 9 4>;",
            "chip: chip { interrupt-controller; #interrupt-cells = <1>; };"
            "user { interrupt-parent = <&chip>; interrupts = <3>; };"
            "more { interrupts-extended = <&chip 4>, <0>, <&chip 5>; };"
            "gics { interrupts-extended = <&gic 0 9 4>, <0>, <&gic 0 9 4>; };",
        )
    )
    chip, user, more, gics = found.node.children
    phandle = chip.properties["phandle"]
    assert user.properties == {"interrupt-parent": phandle, "interrupts": cells(3)}
    assert more.properties == {"interrupts-extended": phandle + cells(4, 0) + phandle + cells(5)}
    at_gic = cell_list(gics, "interrupts-extended")
    assert at_gic == (at_gic[0], 0, 0, 4, 0, at_gic[0], 0, 0, 4), "an empty entry keeps its place"
    assert codes(found) == set()


def test_a_malformed_node_is_refused_with_what_is_wrong() -> None:
    found = plan(device("interrupts = <0 9>;"))
    assert codes(found, Severity.REFUSAL) == {"malformed-node"}
    assert cell_list(found.node, "interrupts") == ()


def test_a_line_at_a_controller_that_is_passed_too_stays_there() -> None:
    chip = (
        'chip: chip@50000 { compatible = "c"; reg = <0 0x50000 0 0x1000>; interrupt-controller;'
        " #interrupt-cells = <2>; #address-cells = <0>; };"
    )
    host = board(chip + device("interrupts-extended = <&chip 3 8>, <&gic 0 9 4>, <0>, <&chip 4 8>;"))
    found, controller = plans(host, "10000.d", "50000.chip")
    (route,) = found.lines
    assert route.line.index == 1
    stated = cell_list(found.node, "interrupts-extended")
    assert cells(*stated[:3]) == controller.node.properties["phandle"] + cells(3, 8)
    assert stated[4:7] == (0, route.spi, 4)
    assert stated[7:] == (0, stated[0], 4, 8), "an empty entry keeps its place"
    assert "interrupts" not in found.node.properties


@pytest.mark.parametrize("children", ["", 'port@1 { reg = <1 1>; status = "disabled"; };'])
def test_dma_ranges_of_the_device_are_read_with_the_cells_they_are_written_in(children: str) -> None:
    own = "#address-cells = <1>; #size-cells = <1>;"
    found = plan(
        f'soc {{ compatible = "simple-bus"; {own} ranges = <0 0 0 0x100000>;'
        ' d@10000 { compatible = "x";'
        f" reg = <0x10000 0x1000>; {own if children else ''} dma-ranges = <0 0x4000 0x1000>;"
        f" {children} }}; }};"
    )
    guest = Tree(Node("", {"#address-cells": cells(2), "#size-cells": cells(2)}, [*platform_buses([found])]))
    assert spans(guest, f"/platform/{found.node.name}", "dma-ranges") == (Span(0, 0x4000, 0x1000),)


def test_cells_for_children_that_stay_behind_go_with_them() -> None:
    hub = "hub { #address-cells = <1>; #size-cells = <0>; port@1 { reg = <1>; status = 'disabled'; }; };"
    (copy,) = plan(device("", hub.replace("'", '"'))).node.children
    assert copy.properties == {}
