# SPDX-License-Identifier: Apache-2.0
"""The MMIO route: where a device's regions lie in the guest, and whether they can be mapped there."""

from collections.abc import Iterator, Sequence

from midway.board.address_map import AddressMap, align_up
from midway.config import AddressPolicy
from midway.findings import Finding, Severity
from midway.host.device import HostDevice, Region
from midway.passthrough.routes import MmioRoute

__all__ = ["is_mappable", "mmio_findings", "plan_mmio"]

# A guest with 64 KiB pages must not find two regions in one page; stage 2 maps 2 MiB with one entry.
_ALIGNMENT = 64 << 10
_BLOCK = 2 << 20


def is_mappable(region: Region, page_size: int) -> bool:
    """Whether VFIO lets the region be mapped: whole pages only, lest a neighbour's registers come along."""
    return not (region.address % page_size or region.size % page_size)


def plan_mmio(
    device: HostDevice, policy: AddressPolicy, addresses: AddressMap, page_size: int
) -> tuple[MmioRoute, ...]:
    """A place for every region that is not empty.  Raises PlanError when one cannot be placed."""
    routes = []
    for region in device.regions:
        if not region.size:
            continue
        owner = f"region {region.index} of {device.name}"
        if policy is AddressPolicy.HOST:
            window = addresses.reserve(region.address, region.size, owner)
        else:
            alignment = _BLOCK if region.size >= _BLOCK else max(_ALIGNMENT, page_size)
            window = addresses.allocate(align_up(region.size, page_size), owner, alignment=alignment)
        routes.append(MmioRoute(region, window.address, is_mappable(region, page_size)))
    return tuple(routes)


def mmio_findings(device: HostDevice, neighbours: Sequence[HostDevice], page_size: int) -> Iterator[Finding]:
    """What is to be said of the regions; `neighbours` are the host's devices."""
    for region in device.regions:
        if not region.size:
            yield Finding(
                "empty-region",
                Severity.REFUSAL,
                device.name,
                f"region {region.index} is empty in the host's tree",
                "correct `reg` in the host's device tree",
            )
        elif not is_mappable(region, page_size):
            sharers = _sharers(device, region, neighbours, page_size)
            cause = (
                f"region {region.index} ({region.size:#x} bytes at {region.address:#x}) is no whole pages of "
                f"{page_size} bytes, so each access to it leaves the guest"
            )
            if sharers:
                cause += f"; {', '.join(sharers)} {'is' if len(sharers) == 1 else 'are'} in the same page"
            yield Finding(
                "region-trapped", Severity.WARNING, device.name, cause, "none: the hardware is laid out so"
            )


def _sharers(
    device: HostDevice, region: Region, neighbours: Sequence[HostDevice], page_size: int
) -> tuple[str, ...]:
    first = region.address // page_size
    last = (region.address + region.size - 1) // page_size
    return tuple(
        other.name
        for other in neighbours
        if other.node_path != device.node_path
        and any(
            near.size
            and near.address // page_size <= last
            and (near.address + near.size - 1) // page_size >= first
            for near in other.regions
        )
    )
