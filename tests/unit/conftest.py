# SPDX-License-Identifier: Apache-2.0
"""A made-up host below a temporary directory, whose driver core answers to writes as the kernel's does."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from midway.devicetree.node import Node, cells, strings
from midway.errors import KernelError
from midway.host.sysfs import HostFiles


class FakeFiles(HostFiles):
    """Files of a host: writes to the driver core have their effect, and those in `taken` cannot be opened."""

    def __init__(self, host: "FakeHost") -> None:
        super().__init__(host.root)
        self.host = host

    def write(
        self, path: Path, value: str, attempted: str, device: str | None = None, remedy: str | None = None
    ) -> None:
        number = self.host.answer(path, value.strip())
        if number:
            raise KernelError(attempted, number, device=device, remedy=remedy)

    def is_taken(self, path: Path, flags: int) -> bool:
        del flags
        return path in self.host.taken


@dataclass
class FakeHost:
    """`refusals` maps a driver to the errno of its probe; `writes` are all that were made, in order."""

    root: Path
    refusals: dict[str, int] = field(default_factory=dict)
    taken: set[Path] = field(default_factory=set)
    writes: list[tuple[str, str]] = field(default_factory=list)
    groups: int = 0

    def __post_init__(self) -> None:
        for name in ("sys/class/vfio", "sys/firmware/devicetree/base", "proc", "dev/vfio", "run"):
            (self.root / name).mkdir(parents=True)
        self.files = FakeFiles(self)

    def text(self, path: str, value: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)
        return file

    def link(self, path: str, target: Path) -> None:
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))

    def driver(self, name: str, bus: str = "platform") -> Path:
        directory = self.root / "sys/bus" / bus / "drivers" / name
        if not directory.exists():
            self.text(f"sys/bus/{bus}/drivers/{name}/bind")
            self.text(f"sys/bus/{bus}/drivers/{name}/unbind")
        return directory

    def device(
        self,
        name: str,
        node: str = "",
        driver: str | None = None,
        bus: str = "platform",
        group: int | None = None,
    ) -> Path:
        """A device; with `group` it has an IOMMU."""
        self.text(f"sys/devices/{bus}/{name}/driver_override", "(null)\n")
        directory = self.root / "sys/devices" / bus / name
        self.link(f"sys/bus/{bus}/devices/{name}", directory)
        if node:
            path = self.root / "sys/firmware/devicetree/base" / node.lstrip("/")
            path.mkdir(parents=True, exist_ok=True)
            self.link(f"sys/devices/{bus}/{name}/of_node", path)
        if driver:
            self.link(f"sys/devices/{bus}/{name}/driver", self.driver(driver, bus))
        if group is not None:
            self.join_group(directory, group, "")
        return directory

    def join_group(self, directory: Path, group: int, name: str) -> None:
        self.text(f"sys/kernel/iommu_groups/{group}/name", name)
        self.link(f"sys/kernel/iommu_groups/{group}/devices/{directory.name}", directory)
        (directory / "iommu_group").symlink_to(self.root / "sys/kernel/iommu_groups" / str(group))

    def answer(self, path: Path, value: str) -> int:
        """What the kernel does when `value` is written to `path`; 0 or an errno."""
        self.writes.append((str(path.resolve().relative_to(self.root / "sys")), value))
        if not path.exists():
            return errno.ENOENT
        if path.name == "driver_override":
            path.write_text(f"{value or '(null)'}\n")
            return 0
        driver = path.resolve().parent
        device = driver.parent.parent / "devices" / value
        if path.name == "unbind":
            return self._unbind(device.resolve())
        return self._bind(device.resolve(), driver)

    def _unbind(self, device: Path) -> int:
        vfio = (device / "driver").readlink().name.startswith("vfio-")
        (device / "driver").unlink()
        if vfio:
            group = (device / "iommu_group").readlink()
            (self.root / "sys/class/vfio" / group.name).unlink(missing_ok=True)  # another member was first
            (self.root / "dev/vfio" / group.name).unlink(missing_ok=True)
            if "noiommu" in (group / "name").read_text():
                (device / "iommu_group").unlink()
        return 0

    def _bind(self, device: Path, driver: Path) -> int:
        refusal = self.refusals.get(driver.name)
        if refusal:
            return refusal
        chosen = (device / "driver_override").read_text().strip()
        if (device / "driver").exists() or chosen not in ("(null)", driver.name):
            return errno.ENODEV
        (device / "driver").symlink_to(driver)
        if driver.name.startswith("vfio-"):
            if not (device / "iommu_group").exists():
                self.groups += 1
                self.join_group(device, 1000 + self.groups, "vfio-noiommu\n")
            number = (device / "iommu_group").readlink().name
            self.text(f"sys/class/vfio/{number}")
            self.text(f"dev/vfio/{number}")
        return 0


@pytest.fixture
def fake_host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def small_tree() -> Node:
    """Two Ethernet MACs and an RTC on the AMBA bus."""

    def device(name: str, address: int, *compatible: str) -> Node:
        properties = {"compatible": strings(*compatible), "reg": cells(0, address, 0, 0x1000)}
        return Node(f"{name}@{address:x}", properties)

    bus = Node(
        "axi", {"compatible": strings("simple-bus"), "#address-cells": cells(2), "#size-cells": cells(2)}
    )
    bus.properties["ranges"] = b""
    bus.children = [
        device("ethernet", 0xFF0C0000, "cdns,gem"),
        device("ethernet", 0xFF0D0000, "cdns,gem"),
        device("rtc", 0xF12A0000, "arm,pl031", "arm,primecell"),
    ]
    return Node("", {"#address-cells": cells(2), "#size-cells": cells(2)}, [bus])
