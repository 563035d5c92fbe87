# SPDX-License-Identifier: Apache-2.0
"""IOMMU groups, and the VFIO group files that stand for them (Documentation/driver-api/vfio.rst)."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from midway.errors import DeviceError
from midway.host.processes import OpenFiles, Process
from midway.host.sysfs import HostFiles

__all__ = ["VfioGroup", "check_not_open", "group_members", "iommu_group", "vfio_group"]

# The name the kernel gives to groups that VFIO made up for devices without an IOMMU, emulated ones included.
_MADE_UP = "vfio-noiommu"


class VfioGroup(msgspec.Struct, frozen=True):
    """`node` is the group's file below /dev/vfio; `noiommu` when nothing protects memory from the device."""

    number: int
    node: Path
    noiommu: bool


def iommu_group(files: HostFiles, directory: Path) -> int | None:
    """The number of a device's IOMMU group; None without an IOMMU, also while VFIO has made a group up."""
    number = _group_number(files, directory)
    if number is None:
        return None
    name = files.text(files.sys / "kernel" / "iommu_groups" / str(number) / "name")
    return None if name == _MADE_UP else number


def group_members(files: HostFiles, number: int) -> tuple[str, ...]:
    """The names of all devices in an IOMMU group."""
    return files.names(files.sys / "kernel" / "iommu_groups" / str(number) / "devices")


def vfio_group(files: HostFiles, directory: Path) -> VfioGroup | None:
    """The VFIO group of a device that a VFIO driver holds; None when VFIO has none for it."""
    number = _group_number(files, directory)
    if number is None:
        return None
    known = files.sys / "class" / "vfio"
    for name, noiommu in ((str(number), False), (f"noiommu-{number}", True)):
        if (known / name).exists():
            return VfioGroup(number=number, node=files.dev / "vfio" / name, noiommu=noiommu)
    return None


def check_not_open(files: HostFiles, directory: Path, device: str) -> None:
    """Raise DeviceError when a process has the device open by its group or by its own file (Linux 6.6).

    A VFIO driver cannot be unbound then: the kernel would wait for that process, however long.
    """
    open_files = OpenFiles(files)
    group = vfio_group(files, directory)
    if group is not None and files.is_taken(group.node, os.O_RDWR):
        raise _busy(device, group.node, open_files.users(group.node))
    for name in files.names(directory / "vfio-dev"):
        node = files.dev / "vfio" / "devices" / name
        # Any number of processes can open this one, so that only /proc tells.
        if users := open_files.users(node):
            raise _busy(device, node, users)


def _busy(device: str, node: Path, users: Sequence[Process]) -> DeviceError:
    who = ", ".join(str(user) for user in users) or "a process that /proc does not show"
    return DeviceError("busy", device=device, answer=f"{node} is held by {who}", remedy="stop it first")


def _group_number(files: HostFiles, directory: Path) -> int | None:
    name = files.link_name(directory / "iommu_group")
    return int(name) if name is not None and name.isascii() and name.isdigit() else None
