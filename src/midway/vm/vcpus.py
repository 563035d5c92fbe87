# SPDX-License-Identifier: Apache-2.0
"""The threads that run the guest, one for each vCPU."""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from midway.errors import KernelError, MidwayError
from midway.kernel.vcpu import Vcpu, core_register
from midway.uapi import kvm
from midway.vm.bus import Bus
from midway.vm.outcome import End, Ending, Outcome
from midway.vm.threads import ALL_SIGNALS, start_thread

__all__ = ["EXIT_NAMES", "VcpuThreads"]

_KICK = signal.SIGRTMIN  # every thread blocks it, and only KVM_RUN lets it in

EXIT_NAMES = {
    kvm.KVM_EXIT_UNKNOWN: "unknown",
    kvm.KVM_EXIT_EXCEPTION: "exception",
    kvm.KVM_EXIT_HYPERCALL: "hypercall",
    kvm.KVM_EXIT_DEBUG: "debug",
    kvm.KVM_EXIT_MMIO: "mmio",
    kvm.KVM_EXIT_SHUTDOWN: "shutdown",
    kvm.KVM_EXIT_FAIL_ENTRY: "fail-entry",
    kvm.KVM_EXIT_INTR: "signal",
    kvm.KVM_EXIT_INTERNAL_ERROR: "internal-error",
    kvm.KVM_EXIT_SYSTEM_EVENT: "system-event",
    kvm.KVM_EXIT_ARM_NISV: "no-syndrome",
}
_SYSTEM_EVENTS = {
    kvm.KVM_SYSTEM_EVENT_SHUTDOWN: Outcome(End.POWER_OFF),
    kvm.KVM_SYSTEM_EVENT_RESET: Outcome(End.RESET, "the guest asked for a reset"),
    kvm.KVM_SYSTEM_EVENT_CRASH: Outcome(End.PANIC, "the guest's kernel told KVM so"),
}


class VcpuThreads:
    """`returns` counts for each vCPU why KVM_RUN returned, by KVM_EXIT number; it may be read at any time.

    `conclude` turns the guest's own system events into the VM's outcome.  `pins` are the host's CPUs by vCPU.
    `began` is the CLOCK_BOOTTIME just before the first entry, in seconds.
    """

    def __init__(
        self,
        vcpus: Sequence[Vcpu],
        bus: Bus,
        ending: Ending,
        conclude: Callable[[Outcome], Outcome] = lambda outcome: outcome,
        pins: Sequence[int] = (),
    ) -> None:
        self._vcpus = vcpus
        self._bus = bus
        self._ending = ending
        self._conclude = conclude
        self._pins = pins
        self._lock = threading.Lock()
        self._alive: dict[int, threading.Thread] = {}
        self._threads: list[threading.Thread] = []
        self.returns: tuple[dict[int, int], ...] = tuple({} for _ in vcpus)
        self.began = 0.0
        self._entering = threading.Event()

    def start(self) -> None:
        """Returns when the boot vCPU is about to enter the guest: what comes next would delay it."""
        for vcpu in self._vcpus:
            self._threads.append(start_thread(f"vcpu-{vcpu.index}", partial(self._run, vcpu)))
        if self._threads:
            self._entering.wait()

    @property
    def tasks(self) -> tuple[int, ...]:
        """The kernel's ids of the threads that were started, in the order of the vCPUs."""
        return tuple(thread.native_id or 0 for thread in self._threads)

    def kick(self) -> None:
        """Make every vCPU leave the guest and look whether the end is near."""
        with self._lock:
            for thread in self._alive.values():
                if thread.ident is not None:
                    signal.pthread_kill(thread.ident, _KICK)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, vcpu: Vcpu) -> None:
        with self._lock:
            self._alive[vcpu.index] = threading.current_thread()
        try:
            if self._pins:
                from midway.host.affinity import pin_thread  # only here: few are pinned

                pin_thread(self._pins[vcpu.index])
            vcpu.accept_signals(ALL_SIGNALS - {_KICK})
            self._serve(vcpu)
        except MidwayError as error:
            self._ending.end(Outcome(End.FAULT, f"{error}; {registers(vcpu)}"))
        except Exception as error:  # noqa: BLE001 - a thread that dies silently would hang the guest
            self._ending.end(Outcome(End.FAULT, f"serving vCPU {vcpu.index} failed: {error!r}"))
        finally:
            self._entering.set()
            with self._lock:
                del self._alive[vcpu.index]

    def _serve(self, vcpu: Vcpu) -> None:
        returns = self.returns[vcpu.index]
        bus, ending = self._bus, self._ending
        if vcpu.index == 0:
            self.began = time.clock_gettime(time.CLOCK_BOOTTIME)
            self._entering.set()
        while not ending.is_near:
            reason = vcpu.enter()
            returns[reason] = returns.get(reason, 0) + 1
            if reason == kvm.KVM_EXIT_MMIO:
                access = vcpu.mmio()
                if access.is_write:
                    bus.write(access.address, access.data)
                else:
                    vcpu.answer_mmio(bus.read(access.address, access.size))
            elif reason != kvm.KVM_EXIT_INTR:
                ending.end(self._judge(vcpu, reason))

    def _judge(self, vcpu: Vcpu, reason: int) -> Outcome:
        """What an exit means that the guest does not come back from."""
        if reason == kvm.KVM_EXIT_SYSTEM_EVENT:
            kind = vcpu.run_field("system_event.type")
            outcome = _SYSTEM_EVENTS.get(kind)
            if outcome is not None:
                return self._conclude(outcome)
            what = f"system event {kind}"
        elif reason == kvm.KVM_EXIT_INTERNAL_ERROR:
            count = min(vcpu.run_field("internal.ndata"), 16)
            data = " ".join(f"{word:#x}" for word in vcpu.run_fields("internal.data")[:count])
            what = f"internal error {vcpu.run_field('internal.suberror')} {data}".rstrip()
        elif reason == kvm.KVM_EXIT_FAIL_ENTRY:
            hardware = vcpu.run_field("fail_entry.hardware_entry_failure_reason")
            what = f"entry failed for reason {hardware:#x} on host CPU {vcpu.run_field('fail_entry.cpu')}"
        elif reason == kvm.KVM_EXIT_ARM_NISV:
            what = (
                f"an access to {vcpu.run_field('arm_nisv.fault_ipa'):#x} by an instruction that cannot be "
                f"emulated, syndrome {vcpu.run_field('arm_nisv.esr_iss'):#x}"
            )
        else:
            what = f"exit {reason} ({EXIT_NAMES.get(reason, 'unknown')})"
        return Outcome(End.FAULT, f"vCPU {vcpu.index}: {what}; {registers(vcpu)}")


def registers(vcpu: Vcpu) -> str:
    """Where a vCPU is, for a message."""
    parts = []
    for name in ("regs.pc", "regs.pstate", "regs.sp", "sp_el1", "elr_el1"):
        try:
            parts.append(f"{name.removeprefix('regs.')}={vcpu.get_register(core_register(name)):#x}")
        except KernelError as error:
            return f"its registers cannot be read: {error}"
    return " ".join(parts)
