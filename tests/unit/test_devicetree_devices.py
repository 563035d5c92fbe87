# SPDX-License-Identifier: Apache-2.0
"""The platform devices of a tree, under the names Linux gives them."""

import pytest

from midway.devicetree.devices import devices_of, host_devices
from midway.devicetree.index import Tree
from midway.devicetree.names import device_name
from midway.devicetree.references import Reference, parse_references
from midway.errors import TreeError
from midway.host.device import Bus
from unit.dts import BOARD, compiled, tree


def names(body: str) -> list[str]:
    return [device.name for device in devices_of(tree(body))]


def test_devices_are_named_by_their_address_after_all_buses() -> None:
    assert [device.name for device in host_devices(compiled(BOARD))] == [
        "f9000000.interrupt-controller",
        "a0000000.clock-controller",
        "a0001000.serial",
        "a0010000.ethernet",
        "a0030000.iommu",
    ]


def test_a_node_without_registers_is_named_by_those_above_it() -> None:
    board = tree(
        "soc@0 { ranges; #address-cells = <2>; #size-cells = <2>; timer { }; bus@10 { reg = <0 0x10 0 1>;"
        " leds { }; }; };"
    )
    assert device_name(board, "/soc@0/timer") == "soc@0:timer"
    assert device_name(board, "/soc@0/bus@10/leds") == "10.bus:leds"
    assert device_name(board, "/soc@0") == "soc@0"


def test_a_mask_is_part_of_the_name() -> None:
    assert device_name(tree("d@10 { reg = <0 0x10 0 4>; mask = <0x20>; };"), "/d@10") == "10.5.d"


def test_disabled_nodes_and_all_below_them_are_no_devices() -> None:
    bus = 'compatible = "simple-bus"; ranges; #address-cells = <2>; #size-cells = <2>;'
    device = 'd@10 { compatible = "x"; reg = <0 0x10 0 1>; };'
    assert names(f"bus {{ {bus} {device} }};") == ["10.d"]
    assert names(f'bus {{ {bus} status = "disabled"; {device} }};') == []
    assert names('d@10 { compatible = "x"; reg = <0 0x10 0 1>; status = "fail"; };') == []


def test_nodes_without_compatible_or_without_registers_of_the_cpu_are_no_devices() -> None:
    assert names('d@10 { reg = <0 0x10 0 1>; }; e { compatible = "x"; };') == []
    assert (
        names(
            'i2c { compatible = "i"; #address-cells = <1>; #size-cells = <0>;'
            ' d@10 { compatible = "x"; reg = <0x10>; }; };'
        )
        == []
    )


def test_a_child_of_a_device_says_who_makes_it() -> None:
    found = devices_of(
        tree(
            'usb@10 { compatible = "wrapper"; reg = <0 0x10 0 1>; ranges; #address-cells = <2>;'
            ' #size-cells = <2>; core@20 { compatible = "core"; reg = <0 0x20 0 1>; }; };'
        )
    )
    assert [(device.name, device.made_by) for device in found] == [("10.usb", None), ("20.core", "10.usb")]


def test_primecells_are_on_the_amba_bus() -> None:
    (device,) = devices_of(tree('d@10 { compatible = "arm,pl011", "arm,primecell"; reg = <0 0x10 0 1>; };'))
    assert device.bus is Bus.AMBA


def test_a_fault_in_one_node_is_that_devices_alone() -> None:
    good, bad = devices_of(
        tree(
            'g@10 { compatible = "x"; reg = <0 0x10 0 1>; };'
            'b@20 { compatible = "x"; reg = <0 0x20 0 1>; interrupts = <1>; };'
        )
    )
    assert good.faults == ()
    assert "no interrupt parent" in bad.faults[0]


def test_regions_keep_order_and_names() -> None:
    mac = next(device for device in host_devices(compiled(BOARD)) if device.name == "a0010000.ethernet")
    assert [(region.index, region.address, region.size, region.name) for region in mac.regions] == [
        (0, 0xA0010000, 0x1000, "core"),
        (1, 0xA0020000, 0x10000, "dma"),
    ]


def test_references_take_as_many_arguments_as_the_provider_says() -> None:
    board = tree(
        "one: one { #x-cells = <1>; }; none: none { #x-cells = <0>; };"
        "d { x = <&one 5 0 &none &one 6>; y = <&one>; z = <&one &none>; w = <99>; };"
    )
    assert parse_references(board, "/d", "x", "#x-cells") == (
        Reference("/one", (5,)),
        Reference(None),
        Reference("/none"),
        Reference("/one", (6,)),
    )
    assert parse_references(board, "/d", "z", 0) == (Reference("/one"), Reference("/none"))
    assert parse_references(board, "/d", "absent", "#x-cells") == ()
    with pytest.raises(TreeError, match="1 arguments"):
        parse_references(board, "/d", "y", "#x-cells")
    with pytest.raises(TreeError, match="no node has the phandle"):
        parse_references(board, "/d", "w", "#x-cells")


def test_a_phandle_given_twice_is_an_error() -> None:
    with pytest.raises(TreeError, match="same phandle 0x7"):
        tree("a { phandle = <7>; }; b { linux,phandle = <7>; };")


def test_aliases_are_found() -> None:
    board = Tree(compiled(BOARD))
    assert board.aliases("/soc/ethernet@10000") == ("ethernet0",)


@pytest.mark.parametrize(
    ("status", "there"),
    [
        ("", True),
        ('status = "okay";', True),
        ('status = "ok";', True),
        ('status = "disabled";', False),
        ('status = "reserved";', False),
        ('status = "";', False),
        ("status;", False),
    ],
)
def test_a_node_is_enabled_where_linux_takes_it_to_be(status: str, there: bool) -> None:
    board = tree(f'd@10000 {{ compatible = "x"; reg = <0 0x10000 0 0x1000>; {status} }};')
    assert bool(devices_of(board)) == there
