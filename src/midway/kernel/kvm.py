# SPDX-License-Identifier: Apache-2.0
"""/dev/kvm and a VM."""

import errno
import os

from midway.errors import HostError, KernelError
from midway.kernel.handle import Handle
from midway.kernel.syscalls import SystemCalls
from midway.kernel.vcpu import Vcpu
from midway.uapi import kvm, kvm_arm64

__all__ = ["Kvm", "Vm"]

_DEFAULT_ADDRESS_BITS = 40  # what VM type 0 means (KVM_CAP_ARM_VM_IPA_SIZE)
_FEWEST_ADDRESS_BITS = 32
_GIC_TYPES = {3: kvm.KVM_DEV_TYPE_ARM_VGIC_V3, 2: kvm.KVM_DEV_TYPE_ARM_VGIC_V2}
_REMEDIES = {
    errno.ENOENT: "the kernel needs CONFIG_KVM and the processor must have been booted at EL2",
    errno.EACCES: "run as root or join the group that owns /dev/kvm",
}


class Kvm(Handle):
    """/dev/kvm.  HostError where it cannot be opened or speaks another ABI."""

    def __init__(self, calls: SystemCalls, path: str = "/dev/kvm") -> None:
        try:
            fd = calls.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise HostError(
                f"opening {path}", answer=error.strerror, remedy=_REMEDIES.get(error.errno or 0)
            ) from error
        super().__init__(calls, fd)
        with self.closing_on_failure():
            version = self.ioctl(kvm.KVM_GET_API_VERSION, attempted="asking KVM for its version")
            if version != kvm.KVM_API_VERSION:
                answer = f"its ABI is version {version}, not {kvm.KVM_API_VERSION}"
                raise HostError("using KVM", answer=answer)

    def check_extension(self, capability: int) -> int:
        return self.ioctl(kvm.KVM_CHECK_EXTENSION, capability, attempted=f"probing capability {capability}")

    def address_bits(self) -> int:
        """How large a guest's physical address space can be here."""
        return self.check_extension(kvm.KVM_CAP_ARM_VM_IPA_SIZE) or _DEFAULT_ADDRESS_BITS

    def create_vm(self, highest_address: int) -> "Vm":
        """A VM whose guest physical addresses reach `highest_address`, with the fewest bits that do.

        Fewer bits mean fewer levels of stage-2 tables to walk.  HostError where the host has not that many.
        """
        limit = self.address_bits()
        bits = max(highest_address.bit_length(), _FEWEST_ADDRESS_BITS)
        if bits > limit:
            raise HostError(
                f"creating a VM whose memory ends at {highest_address:#x}",
                answer=f"this host's guests have {limit} address bits, not {bits}",
                remedy="use less memory, or huge pages at lower addresses",
            )
        can_choose = self.check_extension(kvm.KVM_CAP_ARM_VM_IPA_SIZE) > 0
        run_size = self.ioctl(kvm.KVM_GET_VCPU_MMAP_SIZE, attempted="asking for a vCPU's size")
        fd = self.ioctl(kvm.KVM_CREATE_VM, bits if can_choose else 0, attempted="creating a VM")
        return Vm(self.calls, fd, run_size)

    def gic_versions(self) -> tuple[int, ...]:
        """The interrupt controllers a guest can have here, newest first."""
        with self.create_vm(0) as vm:
            return tuple(version for version, kind in _GIC_TYPES.items() if vm.has_device_type(kind))


class Vm(Handle):
    """A VM; `run_size` is KVM_GET_VCPU_MMAP_SIZE.  Raises KernelError."""

    def __init__(self, calls: SystemCalls, fd: int, run_size: int) -> None:
        super().__init__(calls, fd)
        self._run_size = run_size

    def set_memory(self, slot: int, guest_address: int, size: int, address: int, *, device: str = "") -> None:
        """Make `size` bytes at `address` of this process the guest's memory at `guest_address`."""
        argument = kvm.USERSPACE_MEMORY_REGION.pack(
            slot=slot, guest_phys_addr=guest_address, memory_size=size, userspace_addr=address
        )
        try:
            self.calls.ioctl(self.fd, kvm.KVM_SET_USER_MEMORY_REGION, argument)
        except OSError as error:
            attempted = f"mapping {size:#x} bytes at guest address {guest_address:#x}"
            raise KernelError(attempted, error.errno or 0, device=device or None) from error

    def create_vcpu(self, index: int) -> Vcpu:
        fd = self.ioctl(kvm.KVM_CREATE_VCPU, index, attempted=f"creating vCPU {index}")
        return Vcpu(self.calls, fd, index, self._run_size)

    def preferred_target(self) -> bytearray:
        """A struct kvm_vcpu_init for vCPUs like the host's processors."""
        target = kvm_arm64.VCPU_INIT.pack()
        self.ioctl(kvm_arm64.KVM_ARM_PREFERRED_TARGET, target, attempted="asking for the vCPUs' target")
        return target

    def has_device_type(self, kind: int) -> bool:
        argument = kvm.CREATE_DEVICE.pack(type=kind, flags=kvm.KVM_CREATE_DEVICE_TEST)
        try:
            self.calls.ioctl(self.fd, kvm.KVM_CREATE_DEVICE, argument)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return False
            raise KernelError(f"probing KVM device type {kind}", error.errno or 0) from error
        return True

    def create_device(self, kind: int, what: str) -> int:
        """The fd of a new in-kernel device of type `kind`."""
        argument = kvm.CREATE_DEVICE.pack(type=kind)
        self.ioctl(kvm.KVM_CREATE_DEVICE, argument, attempted=f"creating {what}")
        return kvm.CREATE_DEVICE.get(argument, "fd")

    def set_line(self, spi: int, level: bool) -> None:
        """Raise or lower a shared peripheral interrupt of the in-kernel GIC."""
        kind = kvm_arm64.KVM_ARM_IRQ_TYPE_SPI << kvm_arm64.KVM_ARM_IRQ_TYPE_SHIFT
        argument = kvm.IRQ_LEVEL.pack(irq=kind | (spi + 32), level=int(level))
        self.ioctl(kvm.KVM_IRQ_LINE, argument, attempted=f"setting interrupt {spi}")

    def attach_irqfd(self, event: int, spi: int, resample: int | None = None) -> None:
        """Let eventfd `event` raise `spi`.

        With `resample` the line is level: it is lowered and `resample` signalled at the guest's EOI.
        """
        flags = 0 if resample is None else kvm.KVM_IRQFD_FLAG_RESAMPLE
        argument = kvm.IRQFD.pack(fd=event, gsi=spi, flags=flags, resamplefd=resample or 0)
        self.ioctl(kvm.KVM_IRQFD, argument, attempted=f"attaching an eventfd to interrupt {spi}")

    def detach_irqfd(self, event: int, spi: int) -> None:
        argument = kvm.IRQFD.pack(fd=event, gsi=spi, flags=kvm.KVM_IRQFD_FLAG_DEASSIGN)
        self.ioctl(kvm.KVM_IRQFD, argument, attempted=f"detaching an eventfd from interrupt {spi}")
