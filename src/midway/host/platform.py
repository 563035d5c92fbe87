# SPDX-License-Identifier: Apache-2.0
"""The host's platform devices: what the tree says of each, joined with what the kernel says of it."""

from functools import cached_property
from pathlib import Path

from msgspec.structs import replace

from midway.devicetree.devices import host_devices
from midway.devicetree.node import Node
from midway.errors import DeviceError
from midway.host.device import Bus, HostDevice
from midway.host.groups import iommu_group
from midway.host.processes import OpenFiles
from midway.host.sysfs import BUSES, HostFiles, check_name
from midway.host.tree import host_tree

__all__ = ["Platform", "absent"]

_BASE = "/firmware/devicetree/base"  # below /sys


class Platform:
    """A snapshot of the platform and amba buses.

    `files` is where /sys and /proc are; `tree` the host's device tree, read from there when it is needed.
    """

    def __init__(self, files: HostFiles | None = None, tree: Node | None = None) -> None:
        self.files = files or HostFiles()
        self._tree = tree

    @cached_property
    def tree(self) -> Node:
        """The host's device tree.  Raises HostError when it has none."""
        return self._tree or host_tree(self.files)

    @cached_property
    def devices(self) -> tuple[HostDevice, ...]:
        """The devices of the tree that are on a bus, in the tree's order."""
        present = self._buses_by_node()
        found = []
        for device in host_devices(self.tree):
            buses = present.get(device.node_path)
            if buses:
                name = device.name if device.name in buses else next(iter(buses))
                found.append(self._as_kernel_says(device, name, buses[name]))
        return tuple(found)

    @cached_property
    def open_files(self) -> OpenFiles:
        """The device files that processes have open."""
        return OpenFiles(self.files)

    def device(self, name: str) -> HostDevice:
        """One device.  Raises DeviceError when it is absent, with the names that are near."""
        check_name(name)
        found = next((device for device in self.devices if device.name == name), None)
        if found is not None:
            return found
        if self.files.locate(name) is not None:
            raise DeviceError(
                "cannot be passed",
                device=name,
                answer="the kernel has it, but the device tree gives it no registers",
                remedy="`midway devices` lists what has some",
            )
        raise absent(name, tuple(device.name for device in self.devices))

    def _buses_by_node(self) -> dict[str, dict[str, str]]:
        """Names with their bus, by the path of their node; several devices can share one (MFD cells)."""
        found: dict[str, dict[str, str]] = {}
        for bus in BUSES:
            directory = self.files.sys / "bus" / bus / "devices"
            for name in self.files.names(directory):
                path = _node_path(directory / name / "of_node")
                if path is not None:
                    found.setdefault(path, {}).setdefault(name, bus)
        return found

    def _as_kernel_says(self, device: HostDevice, name: str, bus: str) -> HostDevice:
        directory = self.files.sys / "bus" / bus / "devices" / name
        return replace(
            device,
            name=name,
            bus=Bus(bus),
            driver=self.files.link_name(directory / "driver"),
            iommu_group=iommu_group(self.files, directory),
        )


def absent(name: str, present: tuple[str, ...]) -> DeviceError:
    """The error for a device that the host does not have."""
    import difflib  # only here: a device that is there needs no guesses

    near = difflib.get_close_matches(name, present, n=3, cutoff=0.5)
    near += [other for other in present if name in other and other not in near][:3]
    remedy = f"did you mean {' or '.join(near)}?" if near else "`midway devices` lists the host's"
    return DeviceError("no such device on the platform bus", device=name, remedy=remedy)


def _node_path(link: Path) -> str | None:
    """The kernel's link leads straight to the node; a host has hundreds, and to follow one is slow."""
    try:
        target = str(link.readlink())
    except OSError:
        return None
    return target.partition(_BASE)[2] or None
