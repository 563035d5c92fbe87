# SPDX-License-Identifier: Apache-2.0
"""A device in user space with no VM: for drivers written in Python."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from midway.kernel.container import Container, Group
from midway.kernel.memory import Block
from midway.kernel.syscalls import Linux, SystemCalls
from midway.kernel.vfio_device import Device
from midway.uapi import vfio, vfio_forward

__all__ = ["open_device"]


@contextmanager
def open_device(
    name: str,
    group: str,
    *,
    memory: Sequence[Block] = (),
    noiommu: bool = False,
    calls: SystemCalls | None = None,
) -> Iterator[Device]:
    """A claimed device, opened: `group` is its file below /dev/vfio (`Claim.group.node`).

    `memory` is what its DMA may reach, each block at its own address (`GuestMemory.blocks`); a device without
    an IOMMU can only have blocks of `GuestMemory.direct`.  Raises KernelError, HostError and DeviceError.
    """
    calls = calls or Linux()
    with Container(calls) as container, Group(calls, group, device=name) as members:
        members.set_container(container)
        kind = vfio.VFIO_NOIOMMU_IOMMU if noiommu else vfio.VFIO_TYPE1v2_IOMMU
        container.set_iommu(kind, device=name)
        if not noiommu:
            for block in memory:
                container.map_dma(block.host_address, block.address, block.size)
        with members.open_device(name) as device:
            direct = vfio_forward.VFIO_FORWARD_FEATURE_DIRECT
            if device.has_feature(direct, vfio.VFIO_DEVICE_FEATURE_SET):
                device.give_direct_memory([(block.address, block.size) for block in memory])
            yield device
