# SPDX-License-Identifier: Apache-2.0
"""What a device turns out to be on its host, and so what can be measured on it."""

import pytest

from midway.bench.subject import subject_of
from midway.bench.workloads import Kind
from midway.devicetree.node import Node, cells, strings
from midway.errors import DeviceError
from midway.host.platform import Platform
from unit.conftest import FakeHost

NIC = "ff0d0000.ethernet"
AT = f"sys/devices/platform/{NIC}"


@pytest.fixture
def host(fake_host: FakeHost) -> FakeHost:
    fake_host.device(NIC, "axi/ethernet@ff0d0000", "macb")
    module(fake_host, "platform", "macb", "macb")
    fake_host.text(f"{AT}/net/eth1/flags", "0x1002\n")
    fake_host.text("sys/class/net/.keep")
    fake_host.link(f"{AT}/net/eth1/subsystem", fake_host.root / "sys/class/net")
    return fake_host


def module(host: FakeHost, bus: str, driver: str, name: str) -> None:
    host.text(f"sys/module/{name}/refcnt")
    host.link(f"sys/bus/{bus}/drivers/{driver}/module", host.root / "sys/module" / name)


@pytest.fixture
def tree(small_tree: Node) -> Node:
    """The MAC with one line at the GIC, which its node lists twice."""
    gic = Node("gic@f9000000", {"compatible": strings("arm,gic-v3"), "phandle": cells(1)})
    gic.properties |= {
        "#interrupt-cells": cells(3),
        "interrupt-controller": b"",
        "reg": cells(0, 0xF9000000, 0, 0x1000),
    }
    bus = small_tree.children[0]
    bus.children.append(gic)
    bus.properties["interrupt-parent"] = cells(1)
    bus.children[1].properties["interrupts"] = cells(0, 58, 4, 0, 58, 4)
    return small_tree


def test_an_interface_below_a_device_makes_it_a_network_device(host: FakeHost, tree: Node) -> None:
    subject = subject_of(NIC, Platform(host.files, tree))
    assert (subject.kind, subject.nodes, subject.modules) == (Kind.NETWORK, ("eth1",), ("macb",))
    assert subject.interrupts == (90,)  # SPI 58, and its duplicate is no other line


def test_the_modules_are_those_of_all_drivers_below_it(host: FakeHost, tree: Node) -> None:
    module(host, "mdio_bus", "Some PHY", "some_phy")
    host.text(f"{AT}/mdio_bus/mdio:01/uevent")
    host.link(f"{AT}/mdio_bus/mdio:01/driver", host.root / "sys/bus/mdio_bus/drivers/Some PHY")
    assert subject_of(NIC, Platform(host.files, tree)).modules == ("macb", "some_phy")


def test_a_disks_partitions_are_not_disks(fake_host: FakeHost, tree: Node) -> None:
    fake_host.device(NIC, "axi/ethernet@ff0d0000", "mmc")
    for name in ("block/mmcblk0", "block/mmcblk0/mmcblk0p1"):
        fake_host.text(f"{AT}/{name}/dev", "179:0\n")
        fake_host.text("sys/class/block/.keep")
        fake_host.link(f"{AT}/{name}/subsystem", fake_host.root / "sys/class/block")
    fake_host.text(f"{AT}/block/mmcblk0/mmcblk0p1/partition", "1\n")
    subject = subject_of(NIC, Platform(fake_host.files, tree))
    assert (subject.kind, subject.nodes) == (Kind.DISK, ("mmcblk0",))


def test_an_interface_that_is_up_is_not_taken(host: FakeHost, tree: Node) -> None:
    host.text(f"{AT}/net/eth1/flags", "0x1003\n")
    with pytest.raises(DeviceError, match=r"its network interface eth1 is up \(ip link set eth1 down\)"):
        subject_of(NIC, Platform(host.files, tree))


def test_without_a_driver_the_loads_say_what_the_device_is(fake_host: FakeHost, tree: Node) -> None:
    fake_host.device(NIC, "axi/ethernet@ff0d0000")
    platform = Platform(fake_host.files, tree)
    assert subject_of(NIC, platform, Kind.DMA).kind is Kind.DMA
    with pytest.raises(DeviceError, match="no driver has it that tells what it is"):
        subject_of(NIC, platform)


def test_loads_for_another_kind_of_device_are_refused(host: FakeHost, tree: Node) -> None:
    with pytest.raises(DeviceError, match="it is no disk device, but network"):
        subject_of(NIC, Platform(host.files, tree), Kind.DISK)


def test_a_line_that_does_not_go_to_the_gic_cannot_be_counted(host: FakeHost, tree: Node) -> None:
    gic = tree.children[0].children[-1]
    gic.properties["compatible"] = strings("acme,combiner")
    with pytest.raises(DeviceError, match="not all of its interrupts go to the GIC"):
        subject_of(NIC, Platform(host.files, tree))
