# SPDX-License-Identifier: Apache-2.0
"""A device on the platform bus as VFIO gives it to user space."""

import errno
from collections.abc import Mapping, Sequence

import msgspec

from midway.errors import DeviceError, KernelError
from midway.kernel.handle import Handle
from midway.kernel.handle import Mapping as MappedMemory
from midway.kernel.irq_set import Action, irq_set
from midway.kernel.syscalls import SystemCalls
from midway.uapi import vfio, vfio_forward

__all__ = ["Device", "DeviceInfo", "Forwarding", "LineCounters", "LineInfo", "RegionInfo"]


_DIRECT_REMEDIES = {
    errno.EXDEV: "the kernel moved a huge page: reserve them at boot, and without movable or CMA memory",
    errno.E2BIG: "the huge pages lie in too many pieces: reserve larger ones, or at boot",
    errno.ENOMEM: "raise the limit on locked memory (ulimit -l)",
}

_FORWARD_REMEDIES = {
    errno.ENOTTY: "needs the driver vfio-forward and a kernel whose KVM it can use; irq=irqfd works without",
    errno.EOPNOTSUPP: "the line is no level line, or the host's GIC cannot leave its completion to a guest; "
    "irq=irqfd works",
    errno.ENODEV: "add the group to a KVM-VFIO device before the device is opened",
    errno.EBUSY: "each line needs an SPI of its own",
}


class DeviceInfo(msgspec.Struct, frozen=True):
    """How many regions and lines there are, and whether the device can be reset."""

    regions: int
    lines: int
    can_reset: bool


class RegionInfo(msgspec.Struct, frozen=True):
    """`size` in bytes; `offset` is where the region lies in the device's file."""

    index: int
    size: int
    offset: int
    readable: bool
    writable: bool
    mappable: bool


class LineInfo(msgspec.Struct, frozen=True):
    """`count` interrupts at this index; an automasked line is level: masked when it fires, until unmasked."""

    index: int
    count: int
    eventfd: bool
    maskable: bool
    automasked: bool


class LineCounters(msgspec.Struct, frozen=True):
    """Since the device was opened; see the driver's header."""

    delivered: int
    spurious: int
    masked_ns: int


class Forwarding(msgspec.Struct, frozen=True):
    """A line's way into the guest's vGIC; see FORWARD in the driver's header.

    `wanted` is what was asked for last, `engaged` what is the case; `stormed`: a storm ended it.  The numbers
    are since the device was opened.
    """

    wanted: bool
    engaged: bool
    stormed: bool
    forwarded: int
    early: int
    switches: int
    storms: int


class Device(Handle):
    """One open device: nobody else can have it until this is closed.  Raises KernelError."""

    def __init__(self, calls: SystemCalls, fd: int, name: str) -> None:
        super().__init__(calls, fd, device=name)
        self.name = name

    def info(self) -> DeviceInfo:
        argument = vfio.DEVICE_INFO.pack(argsz=vfio.DEVICE_INFO.size)
        self.ioctl(vfio.VFIO_DEVICE_GET_INFO, argument, attempted="asking VFIO what the device is")
        flags = vfio.DEVICE_INFO.get(argument, "flags")
        if not flags & (vfio.VFIO_DEVICE_FLAGS_PLATFORM | vfio.VFIO_DEVICE_FLAGS_AMBA):
            raise DeviceError(
                "using it", device=self.name, answer=f"no platform device, its VFIO flags are {flags:#x}"
            )
        return DeviceInfo(
            regions=vfio.DEVICE_INFO.get(argument, "num_regions"),
            lines=vfio.DEVICE_INFO.get(argument, "num_irqs"),
            can_reset=bool(flags & vfio.VFIO_DEVICE_FLAGS_RESET),
        )

    def region(self, index: int) -> RegionInfo:
        argument = vfio.REGION_INFO.pack(argsz=vfio.REGION_INFO.size, index=index)
        self.ioctl(vfio.VFIO_DEVICE_GET_REGION_INFO, argument, attempted=f"asking for region {index}")
        flags = vfio.REGION_INFO.get(argument, "flags")
        return RegionInfo(
            index=index,
            size=vfio.REGION_INFO.get(argument, "size"),
            offset=vfio.REGION_INFO.get(argument, "offset"),
            readable=bool(flags & vfio.VFIO_REGION_INFO_FLAG_READ),
            writable=bool(flags & vfio.VFIO_REGION_INFO_FLAG_WRITE),
            mappable=bool(flags & vfio.VFIO_REGION_INFO_FLAG_MMAP),
        )

    def line(self, index: int) -> LineInfo:
        argument = vfio.IRQ_INFO.pack(argsz=vfio.IRQ_INFO.size, index=index)
        self.ioctl(vfio.VFIO_DEVICE_GET_IRQ_INFO, argument, attempted=f"asking for line {index}")
        flags = vfio.IRQ_INFO.get(argument, "flags")
        return LineInfo(
            index=index,
            count=vfio.IRQ_INFO.get(argument, "count"),
            eventfd=bool(flags & vfio.VFIO_IRQ_INFO_EVENTFD),
            maskable=bool(flags & vfio.VFIO_IRQ_INFO_MASKABLE),
            automasked=bool(flags & vfio.VFIO_IRQ_INFO_AUTOMASKED),
        )

    def map_region(self, region: RegionInfo) -> MappedMemory:
        """The region's registers in this process; accesses must be as wide as the device wants them."""
        return self.attempt(
            f"mapping region {region.index}",
            lambda: MappedMemory(self.calls, self.fd, region.size, offset=region.offset),
        )

    def read(self, region: RegionInfo, offset: int, size: int) -> bytes:
        """One access of 1, 2, 4 or 8 bytes, made by the kernel."""
        data = self.attempt(
            f"reading {size} bytes at {offset:#x} of region {region.index}",
            lambda: self.calls.pread(self.fd, size, region.offset + offset),
        )
        if len(data) != size:
            raise KernelError(f"reading region {region.index}", errno.EIO, device=self.name)
        return data

    def write(self, region: RegionInfo, offset: int, data: bytes) -> None:
        """One access of 1, 2, 4 or 8 bytes, made by the kernel."""
        written = self.attempt(
            f"writing {len(data)} bytes at {offset:#x} of region {region.index}",
            lambda: self.calls.pwrite(self.fd, data, region.offset + offset),
        )
        if written != len(data):
            raise KernelError(f"writing region {region.index}", errno.EIO, device=self.name)

    def set_irqs(
        self,
        action: Action,
        index: int,
        *,
        count: int = 1,
        eventfds: Sequence[int] | None = None,
        flags: Sequence[bool] | None = None,
    ) -> None:
        """Trigger, mask or unmask line `index`, or say which eventfd does; see `irq_set`."""
        argument = irq_set(action, index, count=count, eventfds=eventfds, flags=flags)
        self.ioctl(
            vfio.VFIO_DEVICE_SET_IRQS,
            argument,
            attempted=f"setting up {action.name.lower()} of line {index}",
        )

    def unmask(self, index: int) -> None:
        self.set_irqs(Action.UNMASK, index)

    def reset(self) -> None:
        self.ioctl(vfio.VFIO_DEVICE_RESET, attempted="resetting the device")

    def has_feature(self, feature: int, operation: int) -> bool:
        """Whether GET or SET (`operation`, VFIO_DEVICE_FEATURE_GET or _SET) of a feature is there."""
        flags = feature | operation | vfio.VFIO_DEVICE_FEATURE_PROBE
        try:
            self.calls.ioctl(
                self.fd,
                vfio.VFIO_DEVICE_FEATURE,
                vfio.FEATURE.pack(argsz=vfio.FEATURE.size, flags=flags),
            )
        except OSError as error:
            if error.errno in (errno.ENOTTY, errno.EINVAL):
                return False
            raise KernelError(f"probing feature {feature:#x}", error.errno or 0, device=self.name) from error
        return True

    def give_direct_memory(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Direct DMA: let the driver pin (address, size) and verify that each page lies where it claims.

        Must precede every access to a register of a device without an IOMMU.
        """
        direct = vfio_forward.DIRECT.pack(count=len(ranges))
        for address, size in ranges:
            direct += vfio_forward.DIRECT_RANGE.pack(iova=address, size=size)
        self._feature(
            vfio_forward.VFIO_FORWARD_FEATURE_DIRECT,
            vfio.VFIO_DEVICE_FEATURE_SET,
            direct,
            "giving the device the guest's memory for direct DMA",
            remedies=_DIRECT_REMEDIES,
        )

    def counters(self, index: int) -> LineCounters:
        answer = self._feature(
            vfio_forward.VFIO_FORWARD_FEATURE_COUNTERS,
            vfio.VFIO_DEVICE_FEATURE_GET,
            vfio_forward.COUNTERS.pack(index=index),
            f"reading the counters of line {index}",
        )
        return LineCounters(
            delivered=vfio_forward.COUNTERS.get(answer, "delivered"),
            spurious=vfio_forward.COUNTERS.get(answer, "spurious"),
            masked_ns=vfio_forward.COUNTERS.get(answer, "masked_ns"),
        )

    def forward(self, index: int, spi: int, *, limit: int = 0, notify: int = -1) -> None:
        """From now on the level line `index` goes straight to SPI `spi` of the guest, which completes it.

        The line needs a trigger.  After `limit` interrupts (0: the driver's default) and then ever more
        rarely the driver looks whether the guest completes them before the device is quiet.  If it always
        does, that is a storm: the line returns to its trigger, and the eventfd `notify` is signalled.
        """
        self._feature(
            vfio_forward.VFIO_FORWARD_FEATURE_FORWARD,
            vfio.VFIO_DEVICE_FEATURE_SET,
            vfio_forward.ROUTE.pack(
                index=index,
                flags=vfio_forward.VFIO_FORWARD_ROUTE_WANTED,
                spi=spi,
                limit=limit,
                notify=notify,
            ),
            f"forwarding line {index} to SPI {spi}",
            remedies=_FORWARD_REMEDIES,
        )

    def stop_forwarding(self, index: int) -> None:
        """From the next interrupt on the line goes to its trigger."""
        self._feature(
            vfio_forward.VFIO_FORWARD_FEATURE_FORWARD,
            vfio.VFIO_DEVICE_FEATURE_SET,
            vfio_forward.ROUTE.pack(index=index, notify=-1),
            f"taking line {index} back from the guest",
            remedies=_FORWARD_REMEDIES,
        )

    def forwarding(self, index: int) -> Forwarding:
        answer = self._feature(
            vfio_forward.VFIO_FORWARD_FEATURE_FORWARD,
            vfio.VFIO_DEVICE_FEATURE_GET,
            vfio_forward.ROUTE.pack(index=index),
            f"asking how line {index} is forwarded",
            remedies=_FORWARD_REMEDIES,
        )
        route = vfio_forward.ROUTE
        flags = route.get(answer, "flags")
        return Forwarding(
            wanted=bool(flags & vfio_forward.VFIO_FORWARD_ROUTE_WANTED),
            engaged=bool(flags & vfio_forward.VFIO_FORWARD_ROUTE_ENGAGED),
            stormed=bool(flags & vfio_forward.VFIO_FORWARD_ROUTE_STORMED),
            forwarded=route.get(answer, "forwarded"),
            early=route.get(answer, "early"),
            switches=route.get(answer, "switches"),
            storms=route.get(answer, "storms"),
        )

    def _feature(
        self,
        feature: int,
        operation: int,
        data: bytearray,
        attempted: str,
        *,
        remedies: Mapping[int, str] | None = None,
    ) -> bytearray:
        size = vfio.FEATURE.size
        argument = vfio.FEATURE.pack(argsz=size + len(data), flags=feature | operation) + data
        try:
            self.calls.ioctl(self.fd, vfio.VFIO_DEVICE_FEATURE, argument)
        except OSError as error:
            number = error.errno or 0
            remedy = (remedies or {}).get(number)
            raise KernelError(attempted, number, device=self.name, remedy=remedy) from error
        return argument[size:]
