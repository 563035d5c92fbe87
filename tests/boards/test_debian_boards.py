# SPDX-License-Identifier: Apache-2.0
"""Every device of every board in Debian's arm64 kernel package: a plan, and a sound tree for it."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from midway.board.address_map import AddressMap
from midway.board.interrupt_map import InterruptMap
from midway.board.plan import GicPlan, UartPlan, Window
from midway.board.tree import Board, Chosen, guest_tree
from midway.config import DeviceConfig
from midway.devicetree.addresses import registers, translate
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.interrupts import lines
from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.lab.cache import Cache
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.planner import Host, Request, Room, plan_devices
from midway.passthrough.providers import references_of
from midway.passthrough.routes import DevicePlan
from midway.passthrough.rules import RULES
from midway.passthrough.verdict import Verdict, verdict
from unit.dts import decompiled

BOARD = Board(
    (),
    1,
    GicPlan(3, Window(0x10000, 0x10000), Window(0x20000, 0x20000), 32),
    UartPlan(Window(0x40000, 8), 0),
    Window(0x50000, 2),
    Window(0x60000, 0x1000),
)
SAMPLE = 40  # boards whose guest trees are read back; all of them are planned


def dtbs() -> list[Path]:
    return sorted(Cache().directory.glob("root-*/tree/usr/lib/linux-image-*/**/*.dtb"))


@pytest.fixture(scope="module")
def boards() -> list[Path]:
    found = dtbs()
    if not found:
        pytest.skip(
            "the lab's root, which has Debian's boards, is not in the cache: `midway lab up` makes it"
        )
    return found


def planned(host: Tree) -> Iterator[tuple[DevicePlan, GuestPhandles]]:
    devices = devices_of(host)
    shared = Host(host, devices)
    for device in devices:
        phandles = GuestPhandles(host)
        room = Room(AddressMap(), InterruptMap(), phandles)
        (plan,) = plan_devices([Request(device, DeviceConfig(name=device.name))], shared, room)
        yield plan, phandles


def test_every_device_of_every_board_gets_a_verdict_with_causes(boards: list[Path]) -> None:
    count = 0
    for file in boards:
        for plan, _ in planned(Tree(read(file.read_bytes()))):
            count += 1
            assert all(finding.cause and finding.subject == plan.device.name for finding in plan.findings)
            if verdict(plan.findings) is not Verdict.REFUSED:
                assert len(plan.mmio) == len(plan.device.regions)
    assert count > 50 * len(boards)


def test_every_tree_is_read_and_written_alike(boards: list[Path]) -> None:
    for file in random.Random(1).sample(boards, min(SAMPLE, len(boards))):  # noqa: S311  # a sample, no secret
        root = read(file.read_bytes())
        assert read(write(root)) == root


def test_guest_trees_keep_what_was_promised_and_point_nowhere_else(boards: list[Path]) -> None:
    for file in random.Random(2).sample(boards, min(SAMPLE, len(boards))):  # noqa: S311  # a sample, no secret
        host = Tree(read(file.read_bytes()))
        for plan, phandles in planned(host):
            if verdict(plan.findings) is not Verdict.REFUSED:
                root = guest_tree(BOARD, Chosen("", None, None), [plan], phandles)
                check(Tree(read(write(root))), plan)


def check(guest: Tree, plan: DevicePlan) -> None:
    top = next(
        path for path in guest.nodes if path.startswith("/platform") and path.endswith(f"/{plan.node.name}")
    )
    assert [(translate(guest, top, address), size) for address, size in registers(guest, top)] == [
        (route.guest_address, route.region.size) for route in plan.mmio
    ]
    found = lines(guest, top)
    assert [line.duplicate_of for line in found] == [line.duplicate_of for line in plan.device.lines]
    assert [line.spi for line in found if line.duplicate_of is None] == [route.spi for route in plan.lines]
    for path, node in guest.nodes.items():
        lines(guest, path)  # raises when an interrupt goes nowhere
        for name in node.properties:
            rule = RULES.find(name)
            if rule is not None:
                references_of(guest, path, name, rule)  # raises when a phandle dangles


def test_dtc_warns_of_nothing_that_the_hosts_tree_has_not(boards: list[Path]) -> None:
    for file in random.Random(3).sample(boards, min(10, len(boards))):  # noqa: S311  # a sample, no secret
        blob = file.read_bytes()
        known = kinds(decompiled(blob)[1])
        every = list(planned(Tree(read(blob))))
        for plan, phandles in random.Random(4).sample(every, min(8, len(every))):  # noqa: S311
            if verdict(plan.findings) is not Verdict.REFUSED:
                tree = write(guest_tree(BOARD, Chosen("", None, None), [plan], phandles))
                assert kinds(decompiled(tree)[1]) <= known


def kinds(warnings: str) -> set[str]:
    return {line.partition("(")[2].partition(")")[0] for line in warnings.splitlines()}
