# SPDX-License-Identifier: Apache-2.0
"""``midway tree``: a device's node as source that dtc compiles, with the origin of each property."""

import json
from pathlib import Path

import pytest

from midway.cli import main
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.node import Node, cells, strings
from midway.devicetree.references import parse_references
from midway.devicetree.write import write
from midway.passthrough.planner import Host, assess_all
from midway.passthrough.routes import DevicePlan
from midway.views.dts import comment
from midway.views.nodes import device_source
from unit.dts import BOARD, compiled

MAC = "a0010000.ethernet"
AROUND = """
/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;
    gic: interrupt-controller { interrupt-controller; #interrupt-cells = <3>; #address-cells = <0>; };
};
"""


@pytest.fixture
def dtb(tmp_path: Path) -> str:
    file = tmp_path / "board.dtb"
    file.write_bytes(write(compiled(BOARD)))
    return str(file)


def assessed(root: Node, name: str) -> tuple[tuple[DevicePlan, ...], Tree]:
    tree = Tree(root)
    devices = devices_of(tree)
    device = next(device for device in devices if device.name == name)
    return assess_all(device, Host(tree, devices)), tree


def source(root: Node, name: str) -> str:
    return device_source(*assessed(root, name))


def test_the_source_compiles_to_the_very_nodes_that_a_guest_gets() -> None:
    plans, tree = assessed(compiled(BOARD), MAC)
    made = compiled(AROUND + device_source(plans, tree))
    (platform,) = (node for node in made.children if node.name == "platform")
    assert platform.children == [plan.node for plan in plans]
    clocks = [node for node in made.children if node.name.startswith("clock-")]
    assert clocks == [node for plan in plans for node in plan.providers if node.name.startswith("clock-")]
    assert clocks


def test_each_property_says_where_it_comes_from(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tree", MAC, "--tree", dtb]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for line in (
        'compatible = "test,mac"; /* host */',
        "/* rewritten: host 0xa0010000, 0xa0020000 */",
        "/* rewritten: host SPI 7, SPI 8, SPI 7 */",
        "/* fixed: bus: 12000000 Hz, core: 125000000 Hz (host: /half, /soc/clock-controller@0) */",
        "phy-handle = <&ethernet_phy_1>; /* kept: goes to the guest too",
        "/* resets is left out: held: kept on by the host (host: /soc/clock-controller@0) */",
        "/* ethernet-phy@2 is left out: a child that stays behind: disabled on the host */",
        "clock_a0010000_ethernet_core: clock-a0010000-ethernet-core { /* stands in for a provider",
    ):
        assert line in said


def test_every_property_of_host_and_guest_has_an_origin(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tree", MAC, "--tree", dtb, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    (plan, *_), tree = assessed(compiled(BOARD), MAC)
    named = {entry["name"] for entry in said["properties"] if entry["node"] == plan.device.node_path}
    assert named >= {*plan.node.properties, *tree[plan.device.node_path].properties} - {"phandle", "status"}
    assert {entry["origin"] for entry in said["properties"]} == {
        "host",
        "rewritten",
        "policy",
        "guest",
        "absent",
    }


def test_a_refused_device_is_status_one_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "private.dtb"
    file.write_bytes(write(compiled(BOARD.replace("<0 5 4>", "<1 5 4>"))))
    assert main(["tree", "a0001000.serial", "--tree", str(file)]) == 1
    assert "/* refusal [line-unroutable]" in capsys.readouterr().out


def test_nothing_in_a_comment_ends_it() -> None:
    assert comment("a */ b\nc") == "/* a * / b c */"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("disabled", ": disabled on the host"),
        ("reserved", ": firmware has it"),
        ("fail-ecc", ": failed on the host"),
    ],
)
def test_a_child_that_stays_behind_says_why(status: str, said: str) -> None:
    text = source(compiled(BOARD.replace('"disabled"', f'"{status}"')), MAC)
    assert f"/* ethernet-phy@2 is left out: a child that stays behind{said} */" in text


def test_names_in_the_hosts_tree_reach_no_terminal_as_control_characters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = compiled(BOARD)
    (soc,) = (node for node in root.children if node.name == "soc")
    (mac,) = (node for node in soc.children if node.name == "ethernet@10000")
    mac.properties["interrupt-names"] = strings("\x9brx", "\u202etx", "again")
    mac.properties["clock-names"] = strings("\u202ebus", "core\x9b")
    file = tmp_path / "odd.dtb"
    file.write_bytes(write(root))
    assert main(["tree", MAC, "--tree", str(file)]) == 0
    assert main(["plan", "--device", f"{MAC},irq.none=irqfd", "--tree", str(file)]) == 1
    said = capsys.readouterr()
    assert " bus: 12000000 Hz" in said.out
    assert "?rx" in said.err
    assert "?tx" in said.err
    assert all(text.replace("\n", "").replace("\t", "").isprintable() for text in said)


def test_values_of_every_kind_survive_the_way_through_source() -> None:
    root = compiled(BOARD)
    odd = {
        "text": strings('with "quotes" and \\ backslash', "two"),
        "bytes": b"\x01\x02\x03",
        "unprintable": b"caf\xc3\xa9\0",
        "empty-string": b"\0",
        "almost-text": b"abc",
        "cells": cells(0, 9, 10, 0xFFFFFFFF),
        "reg-names": strings("core", "dma"),
        "x" * 31 + "," + "y": b"",
        "test,long": strings(*("word" * 8 for _ in range(9))),
    }
    (soc,) = (node for node in root.children if node.name == "soc")
    (mac,) = (node for node in soc.children if node.name == "ethernet@10000")
    mac.properties.update(odd)
    made = compiled(AROUND + source(root, MAC))
    found = next(node for path, node in made.walk() if path.startswith("/platform/ethernet@"))
    assert {name: found.properties[name] for name in odd} == odd


def test_names_that_source_cannot_have_are_left_out_and_said() -> None:
    root = compiled(BOARD)
    (soc,) = (node for node in root.children if node.name == "soc")
    (mac,) = (node for node in soc.children if node.name == "ethernet@10000")
    mac.properties["not a name */ };"] = b""
    mac.children.append(Node("x { *", {}))
    text = source(root, MAC)
    compiled(AROUND + text)
    assert "a property called 'not a name * / };', which source cannot name" in text
    assert "a node called 'x { *'" in text


def test_interrupts_at_several_controllers_point_to_each_by_its_label() -> None:
    root = compiled(
        '/dts-v1/; / { #address-cells = <2>; #size-cells = <2>; gic: gic@1000 { compatible = "arm,gic-v3";'
        " reg = <0 0x1000 0 0x1000>; interrupt-controller; #interrupt-cells = <3>; };"
        ' d@10000 { compatible = "d"; reg = <0 0x10000 0 0x1000>; #address-cells = <2>; #size-cells = <2>;'
        " ranges; interrupts-extended = <&c 5 8>, <&gic 0 9 4>; c: c@10000 { reg = <0 0x10000 0 0x10>;"
        " interrupt-controller; #interrupt-cells = <2>; }; }; };"
    )
    made = Tree(compiled(AROUND + source(root, "10000.d")))
    (path,) = (path for path, node in made.nodes.items() if "interrupts-extended" in node.properties)
    found = parse_references(made, path, "interrupts-extended", "#interrupt-cells")
    assert [entry.target for entry in found] == [f"{path}/c@10000", "/interrupt-controller"]


def test_rows_of_a_map_have_their_labels_where_the_phandles_are() -> None:
    rows = "iommu-map = <1 &iommu 2 3>, <4 &iommu 5 6>;"
    text = source(compiled(BOARD.replace("iommus = <&iommu 4>;", rows)), "a0030000.iommu")
    assert "iommu-map = <1 &iommu_100000 2 3>, <4 &iommu_100000 5 6>;" in text
