# SPDX-License-Identifier: Apache-2.0
"""The second reader agrees with the first, and its checks find what is wrong."""

from midway.devicetree.node import cells
from midway.devicetree.write import write
from midway.measure.plain_checks import reference_faults, register_places, wires_of
from midway.measure.plain_tree import parse
from unit.dts import BOARD, compiled


def test_both_readers_find_the_same_nodes_and_properties() -> None:
    root = compiled(BOARD)
    first = {path: node.properties for path, node in root.walk()}
    assert {node.path or "/": node.properties for node in parse(write(root)).walk()} == first


def test_registers_are_where_the_cpu_sees_them_and_interrupts_as_they_are_stated() -> None:
    nodes = {node.path: node for node in parse(write(compiled(BOARD))).walk()}
    mac = next(node for path, node in nodes.items() if "/ethernet@" in path and path.count("/") == 2)
    assert register_places(mac) == [(0xA001_0000, 0x1000), (0xA002_0000, 0x10000)]
    assert all(wire[0] == 0 for wire in wires_of(mac, nodes[""]))
    assert wires_of(mac, nodes[""])


def test_references_that_lead_nowhere_or_to_the_host_are_found() -> None:
    host, guest = compiled(BOARD), compiled("/dts-v1/; / { d { }; };")
    guest.children[0].properties["clocks"] = cells(0x4321)
    (fault,) = reference_faults(parse(write(guest)), parse(write(host)))
    assert fault == "clocks of /d has the phandle 0x4321, of nobody's"
    theirs = next(node.properties["phandle"] for _, node in host.walk() if "phandle" in node.properties)
    guest.children[0].properties["phandle"] = theirs
    del guest.children[0].properties["clocks"]
    (fault,) = reference_faults(parse(write(guest)), parse(write(host)))
    assert "has a phandle of the host's" in fault


def test_numbers_that_look_like_references_are_none_to_the_second_reader_and_rows_of_maps_are() -> None:
    host, guest = compiled(BOARD), compiled("/dts-v1/; / { d { gpio-hog; }; };")
    guest.children[0].properties.update({"gpios": cells(0x4321, 0), "test,nr-gpios": cells(0x4322)})
    assert list(reference_faults(parse(write(guest)), parse(write(host)))) == []
    guest.children[0].properties["iommu-map"] = cells(0, 0x4323, 0, 1)
    (fault,) = reference_faults(parse(write(guest)), parse(write(host)))
    assert fault == "iommu-map of /d has the phandle 0x4323, of nobody's"
