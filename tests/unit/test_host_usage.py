# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from midway.devicetree.node import Node
from midway.errors import DeviceError
from midway.findings import Severity
from midway.host.claims import claim
from midway.host.platform import Platform
from midway.host.usage import usage

if TYPE_CHECKING:
    from unit.conftest import FakeHost

NAME = "ff0d0000.ethernet"


@pytest.fixture
def device(fake_host: "FakeHost") -> Path:
    return fake_host.device(NAME, "/axi/ethernet@ff0d0000", "macb")


def add_class_device(host: "FakeHost", directory: Path, kind: str, **files: str) -> Path:
    directory.mkdir(parents=True)
    subsystem = host.root / "sys/class" / kind
    subsystem.mkdir(parents=True, exist_ok=True)
    (directory / "subsystem").symlink_to(subsystem)
    for name, content in files.items():
        (directory / name).write_text(content + "\n")
    return directory


def add_open_file(host: "FakeHost", pid: int, name: str, path: str) -> None:
    host.text(f"proc/{pid}/comm", f"{name}\n")
    (host.root / f"proc/{pid}/fd").mkdir()
    (host.root / f"proc/{pid}/fd/3").symlink_to(path)


def causes(host: "FakeHost") -> dict[str, str]:
    found = usage(Platform(host.files, Node("")), NAME)
    assert all(finding.severity is Severity.REFUSAL and finding.subject == NAME for finding in found)
    return {finding.code: finding.cause for finding in found}


def test_a_device_nobody_uses_has_no_finding(fake_host: "FakeHost", device: Path) -> None:
    add_class_device(fake_host, device / "net" / "eth1", "net", flags="0x1002")
    assert causes(fake_host) == {}


def test_an_interface_that_is_up_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    add_class_device(fake_host, device / "net" / "eth1", "net", flags="0x1003")
    assert causes(fake_host) == {"interface-up": "its network interface eth1 is up"}


def test_a_mounted_partition_anywhere_below_the_device_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    disk = device / "mmc_host/mmc0/mmc0:4567/block/mmcblk0"
    add_class_device(fake_host, disk, "block", dev="179:0")
    add_class_device(fake_host, disk / "mmcblk0p2", "block", dev="179:2")
    fake_host.text("proc/self/mountinfo", r"30 1 179:2 / /mnt/a\040b rw - ext4 /dev/root rw" + "\n")
    assert causes(fake_host) == {"disk-in-use": "its disk mmcblk0p2 is mounted on /mnt/a b"}


def test_a_file_system_with_a_number_of_its_own_is_found_by_its_source(
    fake_host: "FakeHost", device: Path
) -> None:
    add_class_device(fake_host, device / "block" / "sda", "block", dev="8:0")
    fake_host.text("proc/self/mountinfo", "30 1 0:44 /sub /srv rw - btrfs /dev/sda rw\n")
    assert causes(fake_host) == {"disk-in-use": "its disk sda is mounted on /srv"}


def test_a_disk_that_is_swapped_to_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    add_class_device(fake_host, device / "block" / "sda", "block", dev="8:0")
    fake_host.text("proc/swaps", "Filename Type Size Used Priority\n/dev/sda partition 1 0 -2\n")
    assert causes(fake_host) == {"disk-in-use": "its disk sda is swapped to"}


def test_a_disk_below_a_volume_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    disk = add_class_device(fake_host, device / "block" / "sda", "block", dev="8:0")
    (disk / "holders" / "dm-0").mkdir(parents=True)
    assert causes(fake_host) == {"disk-in-use": "its disk sda is held by dm-0"}


def test_a_disk_mounted_where_we_do_not_see_it_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    add_class_device(fake_host, device / "block" / "sda", "block", dev="8:0")
    fake_host.taken.add(fake_host.root / "dev/sda")
    assert "another mount namespace" in causes(fake_host)["disk-in-use"]


def test_the_hosts_console_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    add_class_device(fake_host, device / "tty" / "ttyAMA0", "tty", dev="204:64")
    add_class_device(fake_host, device / "tty" / "ttyAMA1", "tty", dev="204:65")
    fake_host.text("proc/consoles", "ttyAMA0              -W- (EC p a)  204:64\n")
    assert causes(fake_host) == {"console": "its port ttyAMA0 is the host's console"}


@pytest.mark.parametrize(("kind", "file"), [("tty", "ttyAMA1"), ("rtc", "rtc0"), ("spidev", "spidev0.0")])
def test_a_device_file_that_a_process_has_open_is_in_use_whatever_its_class(
    fake_host: "FakeHost", device: Path, kind: str, file: str
) -> None:
    add_class_device(fake_host, device / kind / file, kind, uevent=f"MAJOR=1\nDEVNAME={file}")
    assert causes(fake_host) == {}
    add_open_file(fake_host, 77, "minicom", f"/dev/{file}")
    assert causes(fake_host) == {"device-open": f"minicom (pid 77) has /dev/{file} open"}


def add_consumer(host: "FakeHost", device: Path, consumer: Path, status: str) -> None:
    host.text("sys/devices/virtual/devlink/link/status", f"{status}\n")
    link = host.root / "sys/devices/virtual/devlink/link"
    (link / "consumer").symlink_to(consumer)
    (device / f"consumer:platform:{consumer.name}").symlink_to(link)


@pytest.mark.parametrize(("status", "used"), [("active", True), ("dormant", False)])
def test_a_device_that_others_depend_on_is_in_use_while_they_are_bound(
    fake_host: "FakeHost", device: Path, status: str, used: bool
) -> None:
    add_consumer(fake_host, device, fake_host.device("ff0c0000.ethernet"), status)
    assert ("supplies-others" in causes(fake_host)) is used


def test_a_child_that_depends_on_its_parent_is_no_reason(fake_host: "FakeHost", device: Path) -> None:
    (device / "child.0").mkdir()
    add_consumer(fake_host, device, device / "child.0", "active")
    assert causes(fake_host) == {}


def test_an_iommu_is_in_use_by_what_is_behind_it(fake_host: "FakeHost", device: Path) -> None:
    unit = add_class_device(fake_host, device / "iommu" / "smmu3.0x9050000", "iommu")
    (unit / "devices" / "a001000.virtio_mmio").mkdir(parents=True)
    assert causes(fake_host) == {"supplies-others": "a001000.virtio_mmio depends on it"}


def test_a_bound_interrupt_controller_is_in_use(fake_host: "FakeHost", device: Path) -> None:
    (device / "of_node").resolve().joinpath("interrupt-controller").touch()
    assert "interrupt-controller" in causes(fake_host)


def test_a_device_in_use_is_claimed_only_by_force(
    fake_host: "FakeHost", device: Path, small_tree: Node
) -> None:
    fake_host.driver("vfio-forward")
    interface = add_class_device(fake_host, device / "net" / "eth1", "net", flags="0x1003")
    platform = Platform(fake_host.files, small_tree)
    expected = re.escape(
        "in use by the host: its network interface eth1 is up (ip link set eth1 down; or --force)"
    )
    with pytest.raises(DeviceError, match=expected):
        claim(NAME, platform=platform).__enter__()
    assert interface.exists()
    assert fake_host.writes == []
    with claim(NAME, force=True, platform=platform) as taken:
        assert taken.previous == "macb"
