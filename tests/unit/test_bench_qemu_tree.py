# SPDX-License-Identifier: Apache-2.0
"""The tree of QEMU's guest: what QEMU made of it stays, the device's node is where QEMU puts the device."""

import pytest

from midway.bench.qemu_tree import PLATFORM_BUS, qemu_tree
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.read import read
from midway.devicetree.values import cell_list, number
from midway.devicetree.write import write
from midway.errors import PlanError
from unit.dts import compiled
from unit.planned import GIC

_HOST = f"""
/dts-v1/;
/ {{
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;
    {GIC}
    clk: clk {{ compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <125000000>; }};
    nic@ff0d0000 {{
        compatible = "vendor,nic"; reg = <0 0xff0d0000 0 0x1000>; clocks = <&clk>;
        interrupts = <0 58 4>, <0 58 4>;
    }};
    two@10000 {{ compatible = "vendor,two"; reg = <0 0x10000 0 0x1000>, <0 0x20000 0 0x1000>; }};
}};
"""
_QEMU = """
/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <0x8002>;
    intc@8000000 { compatible = "arm,gic-v3"; interrupt-controller; #interrupt-cells = <3>;
                   reg = <0 0x8000000 0 0x10000>; phandle = <0x8002>; };
    clock: apb-pclk { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>;
                      phandle = <2>; };
    pl011@9000000 { compatible = "arm,pl011"; reg = <0 0x9000000 0 0x1000>; clocks = <&clock>; };
};
"""
_NIC = "ff0d0000.nic"


def made(name: str = _NIC) -> Node:
    host = compiled(_HOST)
    devices = devices_of(Tree(host))
    return read(qemu_tree(write(compiled(_QEMU)), host, devices, name, 1024, lambda _: ()))


def node(root: Node, name: str) -> Node:
    return next(found for _, found in root.walk() if found.name.partition("@")[0] == name)


def test_the_device_is_where_qemus_platform_bus_begins() -> None:
    assert cell_list(node(made(), "nic"), "reg") == (0, PLATFORM_BUS, 0, 0x1000)


def test_its_line_is_the_first_of_the_platform_buss_and_said_as_often_as_on_the_host() -> None:
    assert cell_list(node(made(), "nic"), "interrupts") == (0, 112, 4, 0, 112, 4)


def test_what_qemu_said_stays() -> None:
    before, after = compiled(_QEMU), made()
    assert after.properties == before.properties
    for original in before.children:
        assert after.child(original.name) == original


def test_its_clock_has_a_phandle_that_is_nobody_elses() -> None:
    root = made()
    clock = number(node(root, "nic"), "clocks")
    having = [found for _, found in root.walk() if number(found, "phandle") == clock]
    assert [number(found, "clock-frequency") for found in having] == [125_000_000]


def test_a_device_of_two_regions_is_refused() -> None:
    with pytest.raises(PlanError, match="it has 2 regions, not 1"):
        made("10000.two")
