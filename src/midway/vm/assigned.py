# SPDX-License-Identifier: Apache-2.0
"""Applying the routes of assigned devices: VFIO's objects in the order in which they need each other."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from midway.errors import DeviceError
from midway.findings import Finding, Severity
from midway.host.groups import VfioGroup
from midway.kernel.container import Container, Group
from midway.kernel.gic import KvmVfio
from midway.kernel.kvm import Vm
from midway.kernel.memory import GuestMemory
from midway.kernel.vfio_device import Device, RegionInfo
from midway.passthrough.routes import DevicePlan, DmaKind, LineRoute, MmioRoute
from midway.uapi import vfio, vfio_forward
from midway.vm.bus import Bus
from midway.vm.events import EventLoop
from midway.vm.lines import AssignedLine
from midway.vm.summary import DeviceUse

__all__ = ["AssignedDevices", "TrappedRegion"]


class TrappedRegion:
    """Registers that the kernel reads and writes for the guest, one access at a time."""

    def __init__(self, device: Device, region: RegionInfo) -> None:
        self._device = device
        self._region = region

    def read(self, offset: int, size: int) -> bytes:
        return self._device.read(self._region, offset, size)

    def write(self, offset: int, data: bytes) -> None:
        self._device.write(self._region, offset, data)


class AssignedDevices:
    """All devices of a VM.  Everything opened goes on `resources`, which is unwound after the vCPUs stopped.

    `new_slot` gives the number of an unused memory slot.
    """

    def __init__(
        self,
        resources: ExitStack,
        vm: Vm,
        memory: GuestMemory,
        bus: Bus,
        events: EventLoop,
        new_slot: Callable[[], int],
    ) -> None:
        self._resources = resources
        self._vm = vm
        self._memory = memory
        self._bus = bus
        self._events = events
        self._new_slot = new_slot
        self._containers: dict[int, Container] = {}
        self._groups: dict[int, Group] = {}
        self._kvm_vfio: KvmVfio | None = None
        self.lines: list[AssignedLine] = []
        self.findings: list[Finding] = []
        self._mapped: Counter[str] = Counter()

    def open(self, plans: Sequence[DevicePlan], groups: Mapping[str, VfioGroup]) -> None:
        """Open and connect every device; `groups` has the claimed devices' groups by name.

        Interrupts are connected last, when all registers are in place.  Raises KernelError, DeviceError.
        """
        opened = [(plan, self._open(plan, groups)) for plan in plans]
        for plan, device in opened:
            for route in plan.mmio:
                self._connect_region(device, route)
        for plan, device in opened:
            for line in plan.lines:
                self._connect_line(device, line)

    def all_findings(self) -> tuple[Finding, ...]:
        """Of the connecting, and of the interrupts since."""
        return (*self.findings, *(finding for line in self.lines for finding in line.findings()))

    def uses(self, plans: Sequence[DevicePlan]) -> tuple[DeviceUse, ...]:
        """How each device came to be connected."""
        return tuple(
            DeviceUse(
                name=plan.device.name,
                dma=str(plan.dma.kind),
                mapped=self._mapped[plan.device.name],
                trapped=len(plan.mmio) - self._mapped[plan.device.name],
            )
            for plan in plans
        )

    def _open(self, plan: DevicePlan, groups: Mapping[str, VfioGroup]) -> Device:
        name = plan.device.name
        if name not in groups:
            raise DeviceError("opening it", device=name, answer="it was not claimed")
        group = self._group(groups[name], name)
        device = self._resources.enter_context(group.open_device(name))
        device.info()
        if plan.dma.kind is DmaKind.DIRECT and device.has_feature(
            vfio_forward.VFIO_FORWARD_FEATURE_DIRECT, vfio.VFIO_DEVICE_FEATURE_SET
        ):
            device.give_direct_memory([(extent.address, extent.size) for extent in self._memory.extents])
        return device

    def _group(self, where: VfioGroup, device: str) -> Group:
        known = self._groups.get(where.number)
        if known is not None:
            return known
        kind = vfio.VFIO_NOIOMMU_IOMMU if where.noiommu else vfio.VFIO_TYPE1v2_IOMMU
        is_new = kind not in self._containers
        if is_new:
            self._containers[kind] = self._resources.enter_context(Container(self._vm.calls))
        container = self._containers[kind]
        group = self._resources.enter_context(Group(self._vm.calls, str(where.node), device=device))
        group.set_container(container)
        if is_new:
            container.set_iommu(kind, device=device)
            if not where.noiommu:
                self._map_memory(container)
        if self._kvm_vfio is None:
            self._kvm_vfio = self._resources.enter_context(KvmVfio(self._vm))
        self._kvm_vfio.add_group(group.fd, device=device)
        self._resources.callback(self._kvm_vfio.remove_group, group.fd, device=device)
        self._groups[where.number] = group
        return group

    def _map_memory(self, container: Container) -> None:
        for block in self._memory.blocks:
            container.map_dma(block.host_address, block.address, block.size)

    def _connect_region(self, device: Device, route: MmioRoute) -> None:
        index = route.region.index
        region = device.region(index)
        if region.size != route.region.size:
            raise DeviceError(
                f"connecting region {index}",
                device=device.name,
                answer=f"VFIO has {region.size:#x} bytes and the device tree {route.region.size:#x}",
            )
        if route.mapped and region.mappable:
            mapping = self._resources.enter_context(device.map_region(region))
            self._vm.set_memory(
                self._new_slot(), route.guest_address, region.size, mapping.address, device=device.name
            )
            self._mapped[device.name] += 1
            return
        if route.mapped:
            self.findings.append(
                Finding(
                    code="region-not-mappable",
                    severity=Severity.WARNING,
                    subject=device.name,
                    cause=f"VFIO does not map region {index}: every access leaves the guest",
                )
            )
        self._bus.add(route.guest_address, region.size, TrappedRegion(device, region))

    def _connect_line(self, device: Device, route: LineRoute) -> None:
        self.lines.append(self._resources.enter_context(AssignedLine(self._vm, device, route, self._events)))
