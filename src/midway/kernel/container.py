# SPDX-License-Identifier: Apache-2.0
"""VFIO's containers (an address space for DMA) and groups (what shares one)."""

import errno
import os

from midway.errors import DeviceError, HostError, KernelError
from midway.kernel.handle import Handle
from midway.kernel.syscalls import SystemCalls
from midway.kernel.vfio_device import Device
from midway.uapi import vfio

__all__ = ["Container", "Group"]


class Container(Handle):
    """/dev/vfio/vfio.  HostError where VFIO is not there or speaks another ABI."""

    def __init__(self, calls: SystemCalls, path: str = "/dev/vfio/vfio") -> None:
        try:
            fd = calls.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            remedy = "modprobe vfio_iommu_type1" if error.errno in (errno.ENOENT, errno.ENODEV) else None
            raise HostError(f"opening {path}", answer=error.strerror, remedy=remedy) from error
        super().__init__(calls, fd)
        with self.closing_on_failure():
            version = self.ioctl(vfio.VFIO_GET_API_VERSION, attempted="asking VFIO for its version")
            if version != vfio.VFIO_API_VERSION:
                answer = f"its ABI is version {version}, not {vfio.VFIO_API_VERSION}"
                raise HostError("using VFIO", answer=answer)

    def set_iommu(self, kind: int, *, device: str | None = None) -> None:
        """Choose the backend (VFIO_TYPE1v2_IOMMU ...), once, after the first group was added."""
        try:
            self.calls.ioctl(self.fd, vfio.VFIO_SET_IOMMU, kind)
        except OSError as error:
            remedy = {
                errno.EPERM: "the IOMMU does not isolate interrupts: load vfio_iommu_type1 with "
                "allow_unsafe_interrupts=1 if you trust the guest",
                errno.ENODEV: "modprobe vfio_iommu_type1",
            }.get(error.errno or 0)
            attempted = f"choosing VFIO's IOMMU type {kind}"
            raise KernelError(attempted, error.errno or 0, device=device, remedy=remedy) from error

    def map_dma(self, address: int, iova: int, size: int) -> None:
        """Let devices read and write `size` bytes at `address` of this process as bus address `iova`."""
        argument = vfio.DMA_MAP.pack(
            argsz=vfio.DMA_MAP.size,
            flags=vfio.VFIO_DMA_MAP_FLAG_READ | vfio.VFIO_DMA_MAP_FLAG_WRITE,
            vaddr=address,
            iova=iova,
            size=size,
        )
        self.ioctl(
            vfio.VFIO_IOMMU_MAP_DMA, argument, attempted=f"mapping {size:#x} bytes at {iova:#x} for DMA"
        )


class Group(Handle):
    """/dev/vfio/N.  DeviceError where another process has it or not all its devices are VFIO's."""

    def __init__(self, calls: SystemCalls, path: str, *, device: str | None = None) -> None:
        try:
            fd = calls.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            remedy = "stop the process that has it" if error.errno == errno.EBUSY else None
            raise DeviceError(
                f"opening {path}", device=device, answer=error.strerror, remedy=remedy
            ) from error
        super().__init__(calls, fd, device=device)
        with self.closing_on_failure():
            self._check_viable(path)

    def _check_viable(self, path: str) -> None:
        status = vfio.GROUP_STATUS.pack(argsz=vfio.GROUP_STATUS.size)
        self.ioctl(vfio.VFIO_GROUP_GET_STATUS, status, attempted=f"asking for the status of {path}")
        if not vfio.GROUP_STATUS.get(status, "flags") & vfio.VFIO_GROUP_FLAGS_VIABLE:
            raise DeviceError(
                f"using {path}",
                device=self.device,
                answer="other devices of its IOMMU group belong to drivers of the host",
                remedy="claim all devices of the group",
            )

    def set_container(self, container: Container) -> None:
        argument = bytearray(container.fd.to_bytes(4, "little"))
        self.ioctl(vfio.VFIO_GROUP_SET_CONTAINER, argument, attempted="adding the group to a container")

    def open_device(self, name: str) -> Device:
        argument = bytearray(name.encode() + b"\0")
        fd = self.ioctl(vfio.VFIO_GROUP_GET_DEVICE_FD, argument, attempted="opening the device through VFIO")
        return Device(self.calls, fd, name)
