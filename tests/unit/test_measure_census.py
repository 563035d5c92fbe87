# SPDX-License-Identifier: Apache-2.0
"""Nodes counted by what they state alone."""

from midway.devicetree.devices import devices_of
from midway.measure.census import Counted, Kind, census, census_lines
from unit.planned import board

HAS = 'compatible = "x"; reg = <0 0x{at:x} 0 0x1000>; interrupts = <0 {line} 4>; {more}'


def node(name: str, at: int, more: str = "") -> str:
    return f"{name}@{at:x} {{ {HAS.format(at=at, line=at >> 12, more=more)} }};"


def test_a_node_is_of_the_kind_that_keeps_it_from_being_a_device() -> None:
    found = board(
        node("plain", 0x10000)
        + node("controller", 0x20000, "interrupt-controller; #interrupt-cells = <1>;")
        + node("firmwares", 0x30000, 'status = "reserved";')
        + node("off", 0x40000, 'status = "disabled";')
        + node("broken", 0x80000, 'status = "fail-sss";')
        + node("unclear", 0x90000, 'status = "disable";')
        + f'bus {{ status = "disabled"; compatible = "simple-bus"; ranges; #address-cells = <2>;'
        f" #size-cells = <2>; {node('dead', 0x50000)} }};"
        + 'mcu { status = "reserved"; #address-cells = <2>; #size-cells = <2>;'
        f" {node('theirs', 0xA0000)} }};"
        + 'i2c@60000 { compatible = "x"; reg = <0 0x60000 0 0x1000>; #address-cells = <1>; #size-cells = <0>;'
        ' chip@4 { compatible = "x"; reg = <4>; interrupts = <0 99 4>; }; };'
        + 'lineless@70000 { compatible = "x"; reg = <0 0x70000 0 0x1000>; };'
    )
    devices = {device.node_path: device.name != "10000.plain" for device in devices_of(found) if device.lines}
    counts = census(found, {**devices, "/i2c@60000": True})
    assert counts == {
        Counted(Kind.DEVICE, False): 1,
        Counted(Kind.CONTROLLER, True): 1,
        Counted(Kind.BEHIND_A_BUS, True): 1,
        Counted(Kind.BELOW_DISABLED, False): 1,
        Counted(Kind.RESERVED, False): 2,
    }
    first, *_ = census_lines(counts)
    assert first.startswith("5 nodes state registers and interrupts")
    assert first.endswith("1 of them can go to a guest: 20.0 %")
