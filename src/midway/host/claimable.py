# SPDX-License-Identifier: Apache-2.0
"""Whether VFIO may have a device, and which VFIO driver it gets."""

from collections.abc import Sequence

import msgspec

from midway.errors import DeviceError, HostError
from midway.host.binding import Binding
from midway.host.groups import group_members, iommu_group
from midway.host.platform import Platform
from midway.host.usage import usage

__all__ = ["check_claimable", "choose_driver", "is_vfio"]


class _VfioDriver(msgspec.Struct, frozen=True):
    """`consent` is the module parameter by which the administrator allows devices without an IOMMU."""

    name: str
    buses: tuple[str, ...]
    consent: str
    load: str


# In the order of preference.
_VFIO_DRIVERS = (
    _VfioDriver(
        "vfio-forward",
        ("platform", "amba"),
        "vfio_forward/parameters/direct_dma",
        "modprobe vfio-forward direct_dma=1",
    ),
    _VfioDriver(
        "vfio-platform",
        ("platform",),
        "vfio/parameters/enable_unsafe_noiommu_mode",
        "modprobe vfio enable_unsafe_noiommu_mode=1",
    ),
    _VfioDriver(
        "vfio-amba",
        ("amba",),
        "vfio/parameters/enable_unsafe_noiommu_mode",
        "modprobe vfio enable_unsafe_noiommu_mode=1",
    ),
)


def is_vfio(driver: str | None) -> bool:
    """Whether a driver of this name gives its devices to VFIO."""
    return any(driver == known.name for known in _VFIO_DRIVERS)


def choose_driver(binding: Binding) -> str:
    """The VFIO driver for a device: Midway's own, else the kernel's.

    Raises HostError when none is loaded, or none of those may have a device that has no IOMMU.
    """
    files = binding.files
    loaded = [
        known for known in _VFIO_DRIVERS if binding.bus in known.buses and binding.has_driver(known.name)
    ]
    if not loaded:
        raise HostError(
            f"{binding.name}: choosing a VFIO driver",
            answer=f"none is loaded for the {binding.bus} bus",
            remedy="midway driver install, then modprobe vfio-forward (direct_dma=1 when there is no IOMMU)",
        )
    isolated = iommu_group(files, binding.directory) is not None
    for known in loaded:
        # A parameter that cannot be read is left to the driver to judge.
        if isolated or files.flag(files.sys / "module" / known.consent) is not False:
            return known.name
    raise HostError(
        f"{binding.name}: choosing a VFIO driver",
        answer=f"it has no IOMMU, and {loaded[0].name} was loaded without leave for direct DMA",
        remedy=f"if its guest may reach all memory: modprobe -r {loaded[0].name}; {loaded[0].load}",
    )


def check_claimable(binding: Binding, platform: Platform, together: Sequence[str], *, force: bool) -> None:
    """Raise DeviceError when the host uses the device, or its IOMMU group has members not in `together`.

    `force` overrides the first, nothing the second.
    """
    files = binding.files
    if binding.driver is not None and not force:
        used = usage(platform, binding.name)
        if used:
            raise DeviceError(
                "in use by the host",
                device=binding.name,
                answer="; ".join(finding.cause for finding in used),
                remedy="; ".join([*(finding.remedy for finding in used if finding.remedy), "or --force"]),
            )
    number = iommu_group(files, binding.directory)
    if number is None:
        return
    left_out = [
        f"{name} ({driver})"
        for name in group_members(files, number)
        if name not in together and (driver := _driver_of(binding, name)) is not None and not is_vfio(driver)
    ]
    if left_out:
        raise DeviceError(
            f"shares IOMMU group {number}",
            device=binding.name,
            answer=f"the host still has {', '.join(left_out)}",
            remedy="claim them together",
        )


def _driver_of(binding: Binding, member: str) -> str | None:
    files = binding.files
    number = files.link_name(binding.directory / "iommu_group") or ""
    directory = files.sys / "kernel" / "iommu_groups" / number / "devices" / member
    return files.link_name(directory / "driver")
