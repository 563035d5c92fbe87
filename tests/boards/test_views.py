# SPDX-License-Identifier: Apache-2.0
"""Devices of real boards as source and as pictures: a sample of Debian's, read back by others."""

import random
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.read import read
from midway.lab.cache import Cache
from midway.passthrough.planner import Host, assess_all
from midway.passthrough.routes import DevicePlan
from midway.views.graph import picture
from midway.views.nodes import device_source

SAMPLE = 200  # devices
BOARDS = 25
AROUND = b"""
/dts-v1/;
/ {
    #address-cells = <2>; #size-cells = <2>; interrupt-parent = <&gic>;
    gic: interrupt-controller { interrupt-controller; #interrupt-cells = <3>; #address-cells = <0>; };
};
"""


@pytest.fixture(scope="module")
def sample() -> list[tuple[Tree, tuple[DevicePlan, ...]]]:
    """Devices with those they are passed together with, drawn with a fixed seed."""
    found = sorted(Cache().directory.glob("root-*/tree/usr/lib/linux-image-*/**/*.dtb"))
    if not found:
        pytest.skip("Debian's boards are not in the cache: `midway lab up` puts them there")
    draw = random.Random(2014)  # noqa: S311  (repeatable, not secret)
    boards = draw.sample(found, BOARDS)
    return [drawn for board in boards for drawn in _devices(board, draw)]


def _devices(board: Path, draw: random.Random) -> Iterator[tuple[Tree, tuple[DevicePlan, ...]]]:
    tree = Tree(read(board.read_bytes()))
    host = Host(tree, devices_of(tree))
    count = min(SAMPLE // BOARDS, len(host.devices))
    return ((tree, assess_all(device, host)) for device in draw.sample(list(host.devices), count))


def test_the_source_of_real_devices_compiles_to_the_nodes_that_a_guest_gets(
    sample: list[tuple[Tree, tuple[DevicePlan, ...]]],
) -> None:
    for tree, plans in sample:
        text = AROUND + device_source(plans, tree).encode()
        command = ["dtc", "-q", "-I", "dts", "-O", "dtb"]
        made = read(subprocess.run(command, input=text, check=True, capture_output=True).stdout)
        nodes = [node for bus in made.children if bus.name.startswith("platform") for node in bus.children]
        expected = [plan.node for plan in plans if not plan.above]
        assert sorted(nodes, key=lambda node: node.name) == sorted(expected, key=lambda node: node.name)


def test_the_picture_of_real_devices_is_a_document_that_names_every_decision(
    sample: list[tuple[Tree, tuple[DevicePlan, ...]]],
) -> None:
    for _, (plan, *_) in sample:
        root = ElementTree.fromstring(picture(plan))  # noqa: S314  (what was just made here)
        tips = {element.text for element in root.iter("{http://www.w3.org/2000/svg}title")}
        for decision in plan.decisions:
            assert any((tip or "").find(f"{decision.property}: ") >= 0 for tip in tips), decision
