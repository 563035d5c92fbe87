# SPDX-License-Identifier: Apache-2.0
from typing import TYPE_CHECKING

import pytest

from midway.devicetree.node import Node
from midway.devicetree.write import write
from midway.errors import DeviceError, HostError, TreeError
from midway.host.clocks import clock_rates
from midway.host.device import Bus
from midway.host.platform import Platform
from midway.host.sysfs import HostFiles
from midway.host.tree import host_tree

if TYPE_CHECKING:
    from unit.conftest import FakeHost

MAC = "/axi/ethernet@ff0d0000"


def test_a_device_has_the_name_driver_and_group_that_the_kernel_says(
    fake_host: "FakeHost", small_tree: Node
) -> None:
    fake_host.device("ff0d0000.ethernet", MAC, "macb", group=5)
    (device,) = Platform(fake_host.files, small_tree).devices
    assert (device.name, device.driver, device.iommu_group) == ("ff0d0000.ethernet", "macb", 5)
    assert (device.node_path, device.bus, device.compatible) == (MAC, Bus.PLATFORM, ("cdns,gem",))
    assert [(region.address, region.size) for region in device.regions] == [(0xFF0D0000, 0x1000)]


def test_a_device_is_joined_by_its_node_whatever_its_name(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.device("board-mac.0", MAC)
    assert Platform(fake_host.files, small_tree).device("board-mac.0").node_path == MAC


def test_of_two_devices_of_one_node_the_one_named_after_it_is_meant(
    fake_host: "FakeHost", small_tree: Node
) -> None:
    fake_host.device("a-cell.1", MAC)
    fake_host.device("ff0d0000.ethernet", MAC)
    assert [device.name for device in Platform(fake_host.files, small_tree).devices] == ["ff0d0000.ethernet"]


def test_a_device_on_the_amba_bus_is_found_there(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.device("f12a0000.rtc", "/axi/rtc@f12a0000", "rtc-pl031", bus="amba")
    device = Platform(fake_host.files, small_tree).device("f12a0000.rtc")
    assert (device.bus, device.driver) == (Bus.AMBA, "rtc-pl031")


def test_a_group_that_vfio_made_up_is_no_iommu_group(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.join_group(fake_host.device("ff0d0000.ethernet", MAC), 9, "vfio-noiommu\n")
    assert Platform(fake_host.files, small_tree).device("ff0d0000.ethernet").iommu_group is None


def test_a_node_that_is_on_no_bus_is_not_listed(fake_host: "FakeHost", small_tree: Node) -> None:
    assert Platform(fake_host.files, small_tree).devices == ()


def test_a_device_that_the_tree_does_not_describe_is_told_apart_from_an_absent_one(
    fake_host: "FakeHost", small_tree: Node
) -> None:
    fake_host.device("regulatory.0")
    platform = Platform(fake_host.files, small_tree)
    with pytest.raises(DeviceError, match="the device tree gives it no registers"):
        platform.device("regulatory.0")
    with pytest.raises(DeviceError, match="no such device"):
        platform.device("regulatory.1")


def test_the_flattened_tree_is_read_where_it_can_be(fake_host: "FakeHost", small_tree: Node) -> None:
    (fake_host.root / "sys/firmware/fdt").write_bytes(write(small_tree))
    assert host_tree(fake_host.files) == small_tree


def test_the_kernels_directories_give_the_same_tree(fake_host: "FakeHost", small_tree: Node) -> None:
    base = fake_host.root / "sys/firmware/devicetree/base"
    for path, node in small_tree.walk():
        directory = base / path.lstrip("/")
        directory.mkdir(exist_ok=True)
        (directory / "name").write_bytes(node.name.encode() + b"\0")
        for name, value in node.properties.items():
            (directory / name).write_bytes(value)
    found = {path: node.properties for path, node in host_tree(fake_host.files).walk()}
    assert found == {path: node.properties for path, node in small_tree.walk()}


def test_a_tree_without_end_is_refused(fake_host: "FakeHost") -> None:
    (fake_host.root / "sys/firmware/devicetree/base" / "/".join(["n"] * 80)).mkdir(parents=True)
    with pytest.raises(TreeError, match="too many nodes"):
        host_tree(fake_host.files)


def test_a_host_without_a_tree_is_an_error_that_says_what_is_needed(fake_host: "FakeHost") -> None:
    (fake_host.root / "sys/firmware/devicetree/base").rmdir()
    with pytest.raises(HostError, match="device tree"):
        host_tree(fake_host.files)


def test_clock_rates_come_from_the_driver_that_holds_the_clocks(fake_host: "FakeHost") -> None:
    fake_host.device("ff0d0000.ethernet")
    assert clock_rates("ff0d0000.ethernet", fake_host.files) == ()
    fake_host.text(
        "sys/devices/platform/ff0d0000.ethernet/vfio_forward/clock_rates", "25000000 0 125000000\n"
    )
    assert clock_rates("ff0d0000.ethernet", fake_host.files) == (25_000_000, None, 125_000_000)
    assert clock_rates("absent", fake_host.files) == ()


def test_more_than_a_file_may_hold_is_an_error(fake_host: "FakeHost") -> None:
    path = fake_host.text("sys/large", "x" * 100)
    with pytest.raises(HostError, match="more than 99 bytes"):
        fake_host.files.read(path, 99)
    assert fake_host.files.read(path, 100) == b"x" * 100


@pytest.mark.parametrize(("content", "number"), [("12\n", 12), ("0x1003\n", 0x1003), ("x", None), ("", None)])
def test_a_number_is_read_decimal_or_hexadecimal_or_not_at_all(
    fake_host: "FakeHost", content: str, number: int | None
) -> None:
    assert fake_host.files.number(fake_host.text("sys/number", content)) == number


def test_what_is_not_there_is_none(fake_host: "FakeHost") -> None:
    files = HostFiles(fake_host.root)
    nowhere = fake_host.root / "sys/nowhere"
    assert (files.read(nowhere), files.text(nowhere), files.number(nowhere)) == (None, None, None)
    assert (files.flag(nowhere), files.link_name(nowhere), files.names(nowhere)) == (None, None, ())
