# SPDX-License-Identifier: Apache-2.0
"""A vCPU of KVM on arm64."""

import errno
import struct
from collections.abc import Iterable

import msgspec

from midway.errors import KernelError
from midway.kernel.handle import Handle, Mapping
from midway.kernel.stats import Stats
from midway.kernel.syscalls import SystemCalls
from midway.uapi import kvm, kvm_arm64

__all__ = ["MmioExit", "Vcpu", "core_register"]

_MMIO = struct.Struct("=Q8sIB")
_MMIO_OFFSET = kvm.RUN.fields["mmio.phys_addr"].offset
_MMIO_DATA = kvm.RUN.fields["mmio.data"].offset
_EXIT_REASON = kvm.RUN.fields["exit_reason"].offset
_U32 = struct.Struct("=I")
_SIGNAL_SET = 8  # sizeof(sigset_t) as the kernel has it


class MmioExit(msgspec.Struct, frozen=True):
    """An access of the guest to an address that is no memory; `data` has the `size` bytes it wrote."""

    address: int
    size: int
    is_write: bool
    data: bytes


def core_register(name: str) -> int:
    """KVM's identifier of a member of struct kvm_regs ("regs.pc"; "regs.regs" is x0)."""
    field = kvm_arm64.REGS.fields[name]
    size = kvm.KVM_REG_SIZE_U64
    return kvm.KVM_REG_ARM64 | size | kvm_arm64.KVM_REG_ARM_CORE | field.offset // 4


class Vcpu(Handle):
    """One vCPU; `run_size` is KVM_GET_VCPU_MMAP_SIZE."""

    def __init__(self, calls: SystemCalls, fd: int, index: int, run_size: int) -> None:
        super().__init__(calls, fd)
        self.index = index
        try:
            self._run = Mapping(calls, fd, run_size)
        except OSError as error:
            self.close()
            raise KernelError(f"mapping vCPU {index}", error.errno or 0) from error

    def close(self) -> None:
        if self.fd >= 0:
            run: Mapping | None = getattr(self, "_run", None)
            if run is not None:
                run.close()
        super().close()

    def initialise(self, target: bytearray, *, power_off: bool) -> None:
        """`target` is Vm.preferred_target(); PSCI 0.2 or newer; a powered-off vCPU waits for PSCI CPU_ON."""
        features = list(kvm_arm64.VCPU_INIT.get_array(target, "features"))
        features[0] |= 1 << kvm_arm64.KVM_ARM_VCPU_PSCI_0_2
        if power_off:
            features[0] |= 1 << kvm_arm64.KVM_ARM_VCPU_POWER_OFF
        argument = bytearray(target)
        kvm_arm64.VCPU_INIT.put(argument, "features", features)
        self.ioctl(kvm_arm64.KVM_ARM_VCPU_INIT, argument, attempted=f"initialising vCPU {self.index}")

    def enter(self) -> int:
        """Run the guest until KVM wants something of us: the exit's reason, KVM_EXIT_INTR for a signal.

        Raises KernelError: EFAULT where the guest touched memory that cannot be had.
        """
        try:
            self.calls.ioctl(self.fd, kvm.KVM_RUN, 0)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.EAGAIN):
                return kvm.KVM_EXIT_INTR
            raise KernelError(f"running vCPU {self.index}", error.errno or 0) from error
        reason: int = _U32.unpack_from(self._run.view, _EXIT_REASON)[0]
        return reason

    def accept_signals(self, blocked: Iterable[int]) -> None:
        """Which signals stay blocked while the guest runs, instead of those the thread blocks.

        A signal that the thread blocks and this does not makes `enter` return and stays pending: every later
        entry returns at once too, nothing is lost between a check and an entry, and no handler is needed.
        """
        mask = sum(1 << (number - 1) for number in blocked)
        argument = kvm.SIGNAL_MASK.pack(len=_SIGNAL_SET) + mask.to_bytes(_SIGNAL_SET, "little")
        self.ioctl(kvm.KVM_SET_SIGNAL_MASK, argument, attempted=f"setting the signals of vCPU {self.index}")

    def mmio(self) -> MmioExit:
        """The access of a KVM_EXIT_MMIO."""
        address, data, size, is_write = _MMIO.unpack_from(self._run.view, _MMIO_OFFSET)
        return MmioExit(address, size, bool(is_write), data[:size])

    def answer_mmio(self, data: bytes) -> None:
        """What the guest reads; taken over at the next entry."""
        self._run.view[_MMIO_DATA : _MMIO_DATA + len(data)] = data

    def run_field(self, name: str) -> int:
        return kvm.RUN.get(self._run.view, name)

    def run_fields(self, name: str) -> tuple[int, ...]:
        return kvm.RUN.get_array(self._run.view, name)

    def get_register(self, identifier: int) -> int:
        """A 64-bit register."""
        value = bytearray(8)
        argument = kvm.ONE_REG.pack(id=identifier, addr=self.calls.address_of(value))
        attempted = f"reading register {identifier:#x} of vCPU {self.index}"
        self.ioctl(kvm.KVM_GET_ONE_REG, argument, attempted=attempted)
        return int.from_bytes(value, "little")

    def set_register(self, identifier: int, number: int) -> None:
        value = bytearray(number.to_bytes(8, "little"))
        argument = kvm.ONE_REG.pack(id=identifier, addr=self.calls.address_of(value))
        attempted = f"writing register {identifier:#x} of vCPU {self.index}"
        self.ioctl(kvm.KVM_SET_ONE_REG, argument, attempted=attempted)

    def stats(self) -> Stats:
        fd = self.ioctl(kvm.KVM_GET_STATS_FD, attempted=f"asking for the statistics of vCPU {self.index}")
        return Stats(self.calls, fd)
