# SPDX-License-Identifier: Apache-2.0
"""The driver vfio-forward in the running kernel: whether it is there, and what it needs to be of use."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from midway.host.sysfs import BUSES, HostFiles

__all__ = ["DriverStatus", "KernelPart", "driver_status", "kernel_release"]

_DRIVER = "vfio-forward"
_MODULE = "vfio_forward"  # as the kernel lists it


class KernelPart(StrEnum):
    """How the running kernel has something."""

    BUILT_IN = "built-in"
    LOADED = "loaded"
    MODULE = "module"  # there, to be loaded
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class DriverStatus:
    """The driver in the running kernel, and what it needs there.

    `direct_dma`, `version`, `source_version` and `users` are of the loaded module and None while it is not
    loaded; `installed` is the file that loading would take.
    """

    kernel: str
    driver: KernelPart
    installed: Path | None
    direct_dma: bool | None
    version: str | None
    source_version: str | None
    users: int | None
    devices: tuple[str, ...]
    vfio: KernelPart
    type1: KernelPart

    def as_json(self) -> dict[str, object]:
        return {
            "kernel": self.kernel,
            "driver": self.driver.value,
            "installed": None if self.installed is None else str(self.installed),
            "direct_dma": self.direct_dma,
            "version": self.version,
            "source_version": self.source_version,
            "users": self.users,
            "devices": list(self.devices),
            "vfio": self.vfio.value,
            "type1": self.type1.value,
        }


def driver_status(files: HostFiles) -> DriverStatus:
    """Look the driver up.  Nothing of it need be there."""
    module = files.sys / "module" / _MODULE
    return DriverStatus(
        kernel=kernel_release(files),
        driver=_part(files, _MODULE),
        installed=_module_file(files, _MODULE),
        direct_dma=files.flag(module / "parameters/direct_dma"),
        version=files.text(module / "version"),
        source_version=files.text(module / "srcversion"),
        users=files.number(module / "refcnt"),
        devices=_bound_devices(files),
        vfio=_part(files, "vfio"),
        type1=_part(files, "vfio_iommu_type1"),
    )


def kernel_release(files: HostFiles) -> str:
    """The running kernel's release, as ``uname -r`` says it."""
    return files.text(files.proc / "sys/kernel/osrelease") or os.uname().release


def _bound_devices(files: HostFiles) -> tuple[str, ...]:
    drivers = [files.sys / "bus" / bus / "drivers" / _DRIVER for bus in BUSES]
    return tuple(
        name
        for driver in drivers
        for name in files.names(driver)
        if (driver / name / "driver_override").exists()
    )


def _part(files: HostFiles, name: str) -> KernelPart:
    if (files.sys / "module" / name / "initstate").exists():
        return KernelPart.LOADED
    if name in _listed(files, "modules.builtin"):
        return KernelPart.BUILT_IN
    return KernelPart.ABSENT if _module_file(files, name) is None else KernelPart.MODULE


def _module_file(files: HostFiles, name: str) -> Path | None:
    listed = _listed(files, "modules.dep").get(name)
    return None if listed is None else files.root / "lib/modules" / kernel_release(files) / listed


def _listed(files: HostFiles, index: str) -> dict[str, str]:
    """The modules in one of depmod's indexes by the name the kernel gives them, each with its path there."""
    text = files.text(files.root / "lib/modules" / kernel_release(files) / index, 1 << 24) or ""
    paths = (line.partition(":")[0] for line in text.splitlines())
    return {path.rpartition("/")[2].partition(".")[0].replace("-", "_"): path for path in paths}
