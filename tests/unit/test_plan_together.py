# SPDX-License-Identifier: Apache-2.0
"""Verdicts about devices that others have to come along with."""

import pytest

from midway.board.plan import GicPlan, UartPlan, Window
from midway.board.tree import Board, Chosen, guest_tree
from midway.devicetree.addresses import registers, translate
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.findings import Severity
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.planner import Host, assess, assess_all
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import Verdict, verdict, verdict_phrase
from unit.planned import board, codes, plans


def assessed(body: str, name: str) -> DevicePlan:
    tree = board(body)
    devices = devices_of(tree)
    (device,) = [device for device in devices if device.name == name]
    return assess(device, Host(tree, devices))


def device(at: int, properties: str = "", label: str = "", children: str = "") -> str:
    title = f"{label}: " if label else ""
    return f'{title}d@{at:x} {{ compatible = "x"; reg = <0 {at:#x} 0 0x1000>; {properties} {children} }};'


def test_a_mac_goes_together_with_the_device_that_has_its_phy() -> None:
    bus = device(0x20000, "#address-cells = <1>; #size-cells = <0>;", children="phy: phy@1 { reg = <1>; };")
    found = assessed(bus + device(0x10000, "phy-handle = <&phy>;"), "10000.d")
    assert verdict(found.findings) is Verdict.TOGETHER
    assert verdict_phrase(found) == "together with 20000.d"
    assert found.findings[0].remedy == "give them to the same VM: --device 10000.d --device 20000.d"
    assert found.node.properties["phy-handle"]


PART = 'd@8 { compatible = "y"; reg = <8 4>; };'
BLOCK = """{} {{ compatible = "x", "{}", "simple-mfd"; reg = <0 0x40000 0 0x1000>; #address-cells = <1>;
              #size-cells = <1>; ranges = <0 0 0x40000 0x1000>; {} }};"""


def test_a_part_of_shared_registers_goes_together_with_the_block_and_below_it() -> None:
    found = assessed(BLOCK.format("b@40000", "syscon", PART), "40008.d")
    assert verdict(found.findings) is Verdict.TOGETHER
    assert found.together == ("40000.b",)
    assert found.above


def test_a_part_of_shared_registers_stays_where_the_block_has_to() -> None:
    cpus = "cpus { cpu { clocks = <&block>; }; };"
    found = assessed(BLOCK.format("block: b@40000", "syscon", "#clock-cells = <0>;" + PART) + cpus, "40008.d")
    assert verdict(found.findings) is Verdict.REFUSED
    assert any("some of those of 40000.b" in finding.cause for finding in found.findings)


def test_a_device_on_a_bus_that_has_registers_itself_needs_no_other() -> None:
    assert assessed(BLOCK.format("b@40000", "simple-bus", PART), "40008.d").together == ()


def test_a_provider_goes_together_with_those_that_need_it_and_what_those_need() -> None:
    provider = device(0x10000, "#clock-cells = <0>;", label="me")
    user = device(0x20000, "clocks = <&me>; mboxes = <&box>;")
    box = device(0x30000, "#mbox-cells = <0>;", label="box")
    assert assessed(provider + user + box, "10000.d").together == ("20000.d", "30000.d")


@pytest.mark.parametrize(
    "rest",
    [
        "cpus { cpu { clocks = <&me>; }; };",
        device(0x20000, "clocks = <&me>; interrupts = <1 7 4>;"),
        "".join(device(0x20000 + 0x1000 * at, "clocks = <&me>;") for at in range(8)),
    ],
    ids=["the CPUs", "a device that is refused", "a whole board"],
)
def test_what_cannot_come_along_keeps_the_provider_with_the_host(rest: str) -> None:
    found = assessed(device(0x10000, "#clock-cells = <0>;", label="me") + rest, "10000.d")
    assert verdict(found.findings) is Verdict.REFUSED
    assert found.together == ()


@pytest.mark.parametrize(
    "reference",
    ["power-domains = <&me>;", "pinctrl-0 = <&pins>;", "interconnects = <&me>;"],
)
def test_what_the_host_governs_the_hardware_with_stays_whoever_would_come_along(reference: str) -> None:
    cells = "#power-domain-cells = <0>; #interconnect-cells = <0>;"
    body = device(0x10000, cells, "me", "pins: pins { };") + device(0x20000, reference)
    assert "serves-the-host" in codes(assessed(body, "10000.d"), Severity.REFUSAL)


def test_a_phy_of_its_own_comes_along_and_a_shared_one_stays_with_the_host() -> None:
    phy = device(0x20000, "#phy-cells = <0>;", label="phy")
    own = phy + device(0x10000, "phys = <&phy>;")
    assert assessed(own, "10000.d").together == ("20000.d",)
    shared = assessed(own + device(0x30000, "phys = <&phy>;"), "10000.d")
    assert verdict(shared.findings) is Verdict.WITH_FINDINGS
    assert codes(shared) == {"provider-dropped"}


def test_a_dma_engine_of_its_own_comes_along_and_a_shared_one_stays_with_the_host() -> None:
    engine = device(0x20000, "#dma-cells = <0>;", label="engine")
    own = engine + device(0x10000, "dmas = <&engine>;")
    assert assessed(own, "10000.d").together == ("20000.d",)
    assert assessed(own + device(0x30000, "dmas = <&engine>;"), "10000.d").together == ()


def test_a_provider_of_one_that_serves_only_the_device_itself_can_go() -> None:
    body = "phy: phy { clocks = <&me>; #phy-cells = <0>; };" + device(
        0x10000, "#clock-cells = <0>; phys = <&phy>;", label="me"
    )
    assert codes(assessed(body, "10000.d"), Severity.REFUSAL) == set()


def test_an_iommu_goes_with_those_behind_it_and_says_what_is_lost() -> None:
    body = device(0x10000, "#iommu-cells = <0>;", label="me") + device(0x20000, "iommus = <&me>;")
    found = assessed(body, "10000.d")
    assert found.together == ("20000.d",)
    assert "iommu-given" in codes(found)


def test_the_plans_of_all_that_go_together_are_there() -> None:
    tree = board(device(0x10000, "#clock-cells = <0>;", label="me") + device(0x20000, "clocks = <&me>;"))
    devices = devices_of(tree)
    found = assess_all(devices[-2], Host(tree, devices))
    assert [plan.device.name for plan in found] == ["10000.d", "20000.d"]


def test_a_host_bridge_of_pci_is_refused_with_what_to_pass_instead() -> None:
    found = assessed(device(0x10000, 'device_type = "pci";'), "10000.d")
    assert "pci-host" in codes(found, Severity.REFUSAL)


def test_a_core_below_its_wrapper_hangs_below_it_in_the_guest_too() -> None:
    core = device(0x4000, "interrupts = <0 4 4>;")
    cells = "#address-cells = <2>; #size-cells = <2>;"
    ports = f'ports {{ compatible = "p"; {cells} ranges; {core} }};'
    wrapper = device(0x10000, f"{cells} ranges = <0 0x4000 0 0x90000 0 0x1000>;", children=ports)
    bus = f'soc {{ compatible = "simple-bus"; {cells} ranges = <0 0 1 0 0 0x100000>; {wrapper} }};'
    host = board(bus)
    outer, found = plans(host, "100010000.d", "100090000.d")
    assert outer.above == ()
    assert found.above == (outer.node.name, "ports")
    guest = Tree(guest_tree(_BOARD, Chosen("", None, None), [outer, found], GuestPhandles(host)))
    path = f"/platform/{outer.node.name}/ports/d@4000"
    ((address, size),) = registers(guest, path)
    assert (translate(guest, path, address), size) == (found.mmio[0].guest_address, 0x1000)
    assert [node.name for node in _bus(guest).children] == [outer.node.name]


def _bus(guest: Tree) -> Node:
    return guest["/platform"]


_BOARD = Board(
    (),
    1,
    GicPlan(3, Window(0x10000, 0x10000), Window(0x20000, 0x20000), 32),
    UartPlan(Window(0x40000, 8), 0),
    Window(0x50000, 2),
    Window(0x60000, 0x1000),
)
