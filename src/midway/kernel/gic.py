# SPDX-License-Identifier: Apache-2.0
"""KVM's in-kernel devices: the interrupt controller, and the one that knows a VM's VFIO groups."""

from midway.kernel.handle import Handle
from midway.kernel.kvm import Vm
from midway.uapi import kvm, kvm_arm64

__all__ = ["Gic", "KvmVfio"]


class Gic(Handle):
    """The guest's GIC.  `second` is the CPU interface (version 2) or the redistributors (version 3).

    Addresses are guest physical.  `spis` rounds up with the 32 private interrupts to a multiple of 32.
    Created before the vCPUs run; `initialise` after all vCPUs were created
    (Documentation/virt/kvm/devices/arm-vgic-v3.rst).
    """

    def __init__(self, vm: Vm, version: int, *, distributor: int, second: int, spis: int) -> None:
        is_v3 = version == 3
        kind = kvm.KVM_DEV_TYPE_ARM_VGIC_V3 if is_v3 else kvm.KVM_DEV_TYPE_ARM_VGIC_V2
        what = f"a GICv{version}"
        super().__init__(vm.calls, vm.create_device(kind, what))
        self._what = what
        first_kind, second_kind = (
            (kvm_arm64.KVM_VGIC_V3_ADDR_TYPE_DIST, kvm_arm64.KVM_VGIC_V3_ADDR_TYPE_REDIST)
            if is_v3
            else (kvm_arm64.KVM_VGIC_V2_ADDR_TYPE_DIST, kvm_arm64.KVM_VGIC_V2_ADDR_TYPE_CPU)
        )
        lines = -(-(spis + 32) // 32) * 32
        with self.closing_on_failure():
            self._set(kvm_arm64.KVM_DEV_ARM_VGIC_GRP_ADDR, first_kind, distributor.to_bytes(8, "little"))
            self._set(kvm_arm64.KVM_DEV_ARM_VGIC_GRP_ADDR, second_kind, second.to_bytes(8, "little"))
            self._set(kvm_arm64.KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, lines.to_bytes(4, "little"))

    def initialise(self) -> None:
        argument = kvm.DEVICE_ATTR.pack(
            group=kvm_arm64.KVM_DEV_ARM_VGIC_GRP_CTRL, attr=kvm_arm64.KVM_DEV_ARM_VGIC_CTRL_INIT
        )
        self.ioctl(kvm.KVM_SET_DEVICE_ATTR, argument, attempted=f"initialising {self._what}")

    def _set(self, group: int, attribute: int, value: bytes) -> None:
        data = bytearray(value)
        argument = kvm.DEVICE_ATTR.pack(group=group, attr=attribute, addr=self.calls.address_of(data))
        attempted = f"setting attribute {group}.{attribute} of {self._what}"
        self.ioctl(kvm.KVM_SET_DEVICE_ATTR, argument, attempted=attempted)


class KvmVfio(Handle):
    """Tells VFIO which VM a group belongs to.

    To be told before the group's device is opened: its driver learns of the VM at that moment.
    """

    def __init__(self, vm: Vm) -> None:
        super().__init__(vm.calls, vm.create_device(kvm.KVM_DEV_TYPE_VFIO, "KVM's VFIO device"))

    def add_group(self, group: int, *, device: str | None = None) -> None:
        """`group` is the fd of an open group."""
        self._set(kvm.KVM_DEV_VFIO_GROUP_ADD, group, "telling KVM of the VFIO group", device)

    def remove_group(self, group: int, *, device: str | None = None) -> None:
        """After its devices were closed: KVM lets go of the group's file."""
        self._set(kvm.KVM_DEV_VFIO_GROUP_DEL, group, "taking the VFIO group from KVM", device)

    def _set(self, attribute: int, group: int, attempted: str, device: str | None) -> None:
        self.device = device
        data = bytearray(group.to_bytes(4, "little"))
        argument = kvm.DEVICE_ATTR.pack(
            group=kvm.KVM_DEV_VFIO_GROUP, attr=attribute, addr=self.calls.address_of(data)
        )
        self.ioctl(kvm.KVM_SET_DEVICE_ATTR, argument, attempted=attempted)
