# SPDX-License-Identifier: Apache-2.0
"""vCPU threads over a fake kernel: what each exit leads to, and that they always end."""

import errno
import struct
from collections.abc import Callable

import pytest

from midway.kernel.vcpu import Vcpu, core_register
from midway.uapi import kvm
from midway.vm.bus import Bus
from midway.vm.outcome import End, Ending, Outcome
from midway.vm.vcpus import VcpuThreads
from unit.fakes import FakeKernel, error

SECONDS = 20
RUN_SIZE = 0x1000
Exit = dict[str, int | tuple[int, ...]] | OSError


class Guest:
    """A vCPU whose KVM_RUN returns the given exits, one after the other; then it ends by power-off."""

    def __init__(self, *exits: Exit, index: int = 0) -> None:
        self.kernel = FakeKernel()
        self.bus = Bus()
        self.ending = Ending(self._kick)
        self._exits = list(exits)
        self.vcpu = Vcpu(self.kernel, self.kernel.new_fd(), index, RUN_SIZE)
        (self._run,) = self.kernel.mappings.values()
        self.answers: list[bytes] = []
        self.kernel.ioctls[kvm.KVM_RUN] = self._enter
        self.kernel.ioctls[kvm.KVM_GET_ONE_REG] = self._register
        self.threads = VcpuThreads([self.vcpu], self.bus, self.ending)
        self.began_at_entry: list[float] = []

    def run(self, conclude: Callable[[Outcome], Outcome] | None = None) -> Outcome:
        if conclude is not None:
            self.threads = VcpuThreads([self.vcpu], self.bus, self.ending, conclude)
        self.threads.start()
        outcome = self.ending.wait(SECONDS)
        self.threads.join()
        assert outcome is not None
        return outcome

    def _kick(self) -> None:
        self.threads.kick()

    def _enter(self, _: int, __: int | bytearray) -> int:
        self.answers.append(bytes(self._run[40:48]))
        self.began_at_entry.append(self.threads.began)
        found: Exit = self._exits.pop(0) if self._exits else system_event(kvm.KVM_SYSTEM_EVENT_SHUTDOWN)
        if isinstance(found, OSError):
            raise found
        for name, value in found.items():
            kvm.RUN.put(self._run, name, value)
        return 0

    def _register(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        buffer = self.kernel.buffer(kvm.ONE_REG.get(argument, "addr"))
        is_pc = kvm.ONE_REG.get(argument, "id") == core_register("regs.pc")
        buffer[:] = struct.pack("=Q", 0xFFFF_8000_1234 if is_pc else 0)
        return 0


def system_event(kind: int) -> Exit:
    return {"exit_reason": kvm.KVM_EXIT_SYSTEM_EVENT, "system_event.type": kind}


def mmio(address: int, *, write: bytes | None = None, size: int = 4) -> Exit:
    data = (write or b"").ljust(8, b"\0")
    return {
        "exit_reason": kvm.KVM_EXIT_MMIO,
        "mmio.phys_addr": address,
        "mmio.data": tuple(data),
        "mmio.len": size if write is None else len(write),
        "mmio.is_write": int(write is not None),
    }


class Registers:
    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []

    def read(self, offset: int, size: int) -> bytes:
        return (0x1122334455667700 + offset).to_bytes(8, "little")[:size]

    def write(self, offset: int, data: bytes) -> None:
        self.written.append((offset, data))


def test_writes_reach_the_bus_with_their_width() -> None:
    guest, registers = Guest(mmio(0x9004, write=b"\1\2"), mmio(0x9008, write=b"12345678")), Registers()
    guest.bus.add(0x9000, 0x100, registers)
    guest.run()
    assert registers.written == [(4, b"\1\2"), (8, b"12345678")]


def test_reads_are_answered_before_the_guest_goes_on() -> None:
    guest = Guest(mmio(0x9008, size=4))
    guest.bus.add(0x9000, 0x100, Registers())
    guest.run()
    assert guest.answers[1][:4] == (0x1122334455667708).to_bytes(8, "little")[:4]


@pytest.mark.parametrize(
    ("event", "end"),
    [
        (kvm.KVM_SYSTEM_EVENT_SHUTDOWN, End.POWER_OFF),
        (kvm.KVM_SYSTEM_EVENT_RESET, End.RESET),
        (kvm.KVM_SYSTEM_EVENT_CRASH, End.PANIC),
    ],
)
def test_the_guests_own_end_is_the_outcome(event: int, end: End) -> None:
    assert Guest(system_event(event)).run().end is end


def test_the_guests_own_end_may_be_concluded_otherwise() -> None:
    outcome = Guest(system_event(kvm.KVM_SYSTEM_EVENT_RESET)).run(lambda _: Outcome(End.PANIC, "oops"))
    assert outcome == Outcome(End.PANIC, "oops")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (
            {
                "exit_reason": kvm.KVM_EXIT_INTERNAL_ERROR,
                "internal.suberror": 1,
                "internal.ndata": 2,
                "internal.data": (0xA, 0xB, *([0] * 14)),
            },
            "internal error 1 0xa 0xb",
        ),
        (
            {
                "exit_reason": kvm.KVM_EXIT_FAIL_ENTRY,
                "fail_entry.hardware_entry_failure_reason": 7,
                "fail_entry.cpu": 3,
            },
            "entry failed for reason 0x7 on host CPU 3",
        ),
        (
            {
                "exit_reason": kvm.KVM_EXIT_ARM_NISV,
                "arm_nisv.esr_iss": 0x12,
                "arm_nisv.fault_ipa": 0x900_0000,
            },
            "an access to 0x9000000 by an instruction that cannot be emulated",
        ),
        ({"exit_reason": kvm.KVM_EXIT_SHUTDOWN}, r"exit 8 \(shutdown\)"),
        ({"exit_reason": 99}, r"exit 99 \(unknown\)"),
        (system_event(kvm.KVM_SYSTEM_EVENT_SUSPEND), "system event 5"),
    ],
)
def test_what_kvm_cannot_go_on_from_is_a_fault_with_registers(found: Exit, words: str) -> None:
    outcome = Guest(found).run()
    assert outcome.end is End.FAULT
    with pytest.raises(Exception, match=f"vCPU 0: {words}.*pc=0xffff80001234"):
        outcome.raise_for_guest()


def test_an_errno_of_kvm_run_is_a_fault() -> None:
    outcome = Guest(error(errno.EFAULT)).run()
    assert outcome.end is End.FAULT
    assert "running vCPU 0: Bad address [EFAULT]" in outcome.detail


def test_a_signal_is_no_end() -> None:
    guest = Guest(error(errno.EINTR), error(errno.EAGAIN))
    assert guest.run().end is End.POWER_OFF
    assert guest.threads.returns == ({kvm.KVM_EXIT_INTR: 2, kvm.KVM_EXIT_SYSTEM_EVENT: 1},)


def test_a_device_that_fails_ends_the_guest_and_says_why() -> None:
    class Broken(Registers):
        def write(self, offset: int, data: bytes) -> None:
            raise ZeroDivisionError(offset, data)

    guest = Guest(mmio(0x9000, write=b"\1"))
    guest.bus.add(0x9000, 0x10, Broken())
    outcome = guest.run()
    assert outcome.end is End.FAULT
    assert "ZeroDivisionError" in outcome.detail


def test_a_kick_makes_a_vcpu_notice_the_end() -> None:
    class Stopping(Registers):
        def write(self, offset: int, data: bytes) -> None:
            super().write(offset, data)
            guest.ending.end(Outcome(End.STOPPED))

    guest = Guest(mmio(0x9000, write=b"\1"), mmio(0x9000, write=b"\2"))
    guest.bus.add(0x9000, 0x10, Stopping())
    assert guest.run().end is End.STOPPED
    assert guest.threads.returns == ({kvm.KVM_EXIT_MMIO: 1},)


def test_only_the_kick_interrupts_the_guest() -> None:
    guest = Guest()
    guest.run()
    (argument,) = guest.kernel.arguments(kvm.KVM_SET_SIGNAL_MASK)
    assert isinstance(argument, bytes)
    length, blocked = struct.unpack("=IQ", argument)
    assert length == 8
    open_signals = [number for number in range(1, 65) if not blocked & 1 << (number - 1)]
    assert 34 in open_signals
    assert not set(open_signals) & set(range(1, 32))


def test_kicking_what_has_ended_is_nothing() -> None:
    guest = Guest()
    guest.run()
    guest.threads.kick()
    guest.threads.join()


def test_the_start_is_over_when_the_boot_vcpu_is_about_to_enter_the_guest() -> None:
    guest = Guest()
    guest.threads.start()
    assert guest.threads.began > 0
    guest.threads.join()
    assert guest.began_at_entry == [guest.threads.began]


def test_a_vcpu_that_cannot_enter_ends_the_start_and_the_vm() -> None:
    guest = Guest()
    guest.kernel.fails(kvm.KVM_SET_SIGNAL_MASK, errno.EINVAL)
    outcome = guest.run()
    assert outcome.end is End.FAULT
    assert guest.threads.began == 0.0
