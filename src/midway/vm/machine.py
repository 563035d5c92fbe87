# SPDX-License-Identifier: Apache-2.0
"""A VM, from its plan to its end."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from midway.board.plan import MachinePlan
from midway.config import InterruptMode, IrqAffinity
from midway.errors import DeviceError, HostError, PlanError
from midway.findings import Finding, Severity
from midway.kernel.eventfd import EventFd
from midway.kernel.gic import Gic
from midway.kernel.kvm import Kvm, Vm
from midway.kernel.memory import GuestMemory
from midway.kernel.stats import Stats
from midway.kernel.vcpu import Vcpu, core_register
from midway.vm.bus import Bus
from midway.vm.console import Console
from midway.vm.events import EventLoop
from midway.vm.marks import LineCount, MarksRegister, Snapshot, VcpuCount
from midway.vm.outcome import End, Ending, Outcome
from midway.vm.panic import PanicRegister, PanicWatch
from midway.vm.uart import Uart
from midway.vm.vcpus import EXIT_NAMES, VcpuThreads

if TYPE_CHECKING:
    from midway.host.groups import VfioGroup
    from midway.vm.assigned import AssignedDevices
    from midway.vm.lines import AssignedLine
    from midway.vm.summary import RunSummary

__all__ = ["Machine"]

_FINAL = -1


class Machine:
    """Everything the plan says, made of the kernel's objects while the context lasts.

    `memory` has the plan's banks, with the images loaded; it is the caller's and must outlive the machine.
    `groups` are the VFIO groups of the claimed devices, by device.  Entering raises KernelError, HostError
    and DeviceError; then nothing stays open.  `start` runs the guest, `wait` returns how it ended, and `stop`
    ends it from outside, in any thread.  While it runs it can be controlled by a socket in `control`.
    """

    def __init__(
        self,
        plan: MachinePlan,
        memory: GuestMemory,
        console: Console,
        groups: "Mapping[str, VfioGroup] | None" = None,
        control: Path | None = None,
    ) -> None:
        self.plan = plan
        self._memory = memory
        self._console = console
        self._groups = groups or {}
        self._control = control
        self._findings: list[Finding] = []
        self._calls = memory.calls
        self._resources = ExitStack()
        self._slots = count()
        self._bus = Bus()
        self._ending = Ending(self._stop_running)
        self._panic = PanicWatch(self._panicked)
        self._devices: AssignedDevices | None = None
        self._marks = MarksRegister(self.snapshot)
        self._threads = VcpuThreads((), self._bus, self._ending)
        self._stats: tuple[Stats, ...] = ()
        self._final: Snapshot | None = None
        self._ended = 0.0
        self._wanted: Outcome | None = None
        self.instructions: Callable[[], tuple[int, ...]] = tuple  # those of the host, by processor

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self._build(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.end(Outcome(End.STOPPED))
        self._resources.close()

    def start(self) -> None:
        self._events.start()
        self._threads.start()
        if self._control is not None:
            self._open_control(self._control)  # after the guest runs, so that it need not wait for it

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """How the VM ended, once its vCPUs have stopped; None if `timeout` seconds were not enough."""
        outcome = self._ending.wait(timeout)
        if outcome is not None:
            self._threads.join()
            if self._final is None:
                self._ended = time.clock_gettime(time.CLOCK_BOOTTIME)
                self._final = self.snapshot(_FINAL)
        return outcome

    def stop(self, outcome: Outcome | None = None) -> None:
        """End the running VM, unless it has ended; `wait` returns then.

        Takes no lock, so that a signal handler may call it whatever it interrupted.
        """
        self._wanted = self._wanted or outcome or Outcome(End.STOPPED)
        self._stop_event.signal()

    @property
    def tasks(self) -> tuple[int, ...]:
        """The kernel's ids of the vCPUs' threads, by vCPU; none before `start`."""
        return self._threads.tasks

    @property
    def lines(self) -> "Sequence[AssignedLine]":
        """The connected interrupts of assigned devices."""
        return self._devices.lines if self._devices else ()

    def set_interrupt_mode(self, device: str, line: int, mode: InterruptMode) -> None:
        """Change the mode of a line of an assigned device; at any time, in any thread.

        `line` is its index.  A line that another one duplicates has no mode of its own.  Raises DeviceError
        when there is no such line, and KernelError when the kernel does not take it into the mode; it keeps
        the one it had.
        """
        for found in self.lines:
            if (found.device.name, found.route.line.index) == (device, line):
                return found.set_mode(mode)
        raise DeviceError(
            f"setting the interrupt mode of line {line}", device=device, answer="the VM has no such line"
        )

    def snapshot(self, label: int) -> Snapshot:
        """All counters now."""
        return Snapshot(
            label=label,
            seconds=time.clock_gettime(time.CLOCK_BOOTTIME) - self._threads.began,
            vcpus=tuple(
                VcpuCount(
                    index,
                    stats.read(),
                    {EXIT_NAMES.get(reason, str(reason)): many for reason, many in dict(returns).items()},
                )
                for index, (stats, returns) in enumerate(zip(self._stats, self._threads.returns, strict=True))
            ),
            lines=tuple(
                LineCount(
                    device=line.device.name,
                    line=line.route.line.index,
                    spi=line.route.spi,
                    mode=str(line.mode),
                    host=line.host_count(),
                    handled=line.handled,
                    forwarded=None if (way := line.forwarding()) is None else way.forwarded,
                )
                for line in self.lines
            ),
            instructions=self.instructions(),
        )

    @property
    def marks(self) -> tuple[Snapshot, ...]:
        """What the guest has marked so far, as much of it as is kept."""
        return tuple(self._marks.snapshots)

    def summary(self) -> "RunSummary":
        """After `wait` returned an outcome and before the context ends."""
        outcome = self.wait()
        if outcome is None or self._final is None:
            raise RuntimeError("the VM has not ended")
        from midway.vm.footprint import process_start, resident_beside
        from midway.vm.summary import RunSummary

        smaps = self._calls.read_file("/proc/self/smaps")
        return RunSummary(
            outcome=outcome,
            exec_to_first_run=self._threads.began - process_start(self._calls),
            ran=self._ended - self._threads.began,
            resident=resident_beside(smaps, self._memory.blocks),
            guest_memory=self._memory.size,
            final=self._final,
            marks=self.marks,
            devices=self._devices.uses(self.plan.devices) if self._devices else (),
            findings=(
                *self.plan.findings,
                *self._device_findings(),
                *self._bus.findings(),
                *self._console.findings(),
                *self._marks.findings(),
                *self._findings,
            ),
            marks_not_kept=self._marks.not_kept,
        )

    def _open_control(self, directory: Path) -> None:
        from midway.vm.control import ControlSocket

        try:
            self._resources.enter_context(ControlSocket(self, directory))
        except HostError as error:
            cause = f"the running VM cannot be asked or traced: {error}"
            self._findings.append(Finding("no-control-socket", Severity.NOTE, "host", cause))

    def _end_as_wanted(self) -> None:
        self._stop_event.drain()
        if self._wanted is not None:
            self._ending.end(self._wanted)

    def _stop_running(self) -> None:
        self._console.give_up()
        self._threads.kick()

    def _build(self, resources: ExitStack) -> None:
        """In the order in which things need each other; unwound in reverse."""
        plan = self.plan
        with Kvm(self._calls) as kvm:
            vm = resources.enter_context(kvm.create_vm(self._highest_address()))
        for block in self._memory.blocks:
            vm.set_memory(next(self._slots), block.address, block.size, block.host_address)
        vcpus = self._create_vcpus(resources, vm)
        gic = Gic(
            vm,
            plan.gic.version,
            distributor=plan.gic.distributor.address,
            second=plan.gic.second.address,
            spis=plan.gic.spis,
        )
        resources.enter_context(gic).initialise()
        self._stats = tuple(resources.enter_context(vcpu.stats()) for vcpu in vcpus)
        self._events = resources.enter_context(EventLoop(self._calls, self._failed))
        self._stop_event = resources.enter_context(EventFd(self._calls))
        self._events.watch(self._stop_event.fd, self._end_as_wanted)
        if plan.devices:
            self._open_devices(resources, vm)
        if plan.config.cpu.irq_affinity is IrqAffinity.FOLLOW:
            self._follow_routing(resources)
        resources.callback(self._events.stop)
        self._add_own_devices(vm)
        self._load(vcpus[0])
        self._threads = VcpuThreads(vcpus, self._bus, self._ending, self._conclude, plan.config.cpu.pin)
        resources.callback(self._threads.join)

    def _open_devices(self, resources: ExitStack, vm: Vm) -> None:
        from midway.vm.assigned import AssignedDevices

        self._devices = AssignedDevices(
            resources, vm, self._memory, self._bus, self._events, lambda: next(self._slots)
        )
        self._devices.open(self.plan.devices, self._groups)
        worse = [finding for finding in self._device_findings() if finding.severity is not Severity.NOTE]
        if self.plan.config.strict and worse:
            raise PlanError(worse[0].cause, device=worse[0].subject, remedy="or run without --strict")

    def _follow_routing(self, resources: ExitStack) -> None:
        from midway.vm.following import FollowedLine, FollowingAffinity

        lines = [FollowedLine(line.device.name, line.route.line.index, line.route.spi) for line in self.lines]
        pins = self.plan.config.cpu.pin
        following = FollowingAffinity(self.plan.gic, lines, pins, lambda: self.tasks, self._findings.append)
        resources.enter_context(following)
        self._events.watch(following.fd, following.follow)

    def _device_findings(self) -> tuple[Finding, ...]:
        return self._devices.all_findings() if self._devices else ()

    def _highest_address(self) -> int:
        plan = self.plan
        ends = [
            *(bank.address + bank.size for bank in plan.banks),
            *(
                window.address + window.size
                for window in (
                    plan.gic.distributor,
                    plan.gic.second,
                    plan.uart.window,
                    plan.panic,
                    plan.marks,
                )
            ),
            *(route.guest_address + route.region.size for device in plan.devices for route in device.mmio),
        ]
        return max(ends) - 1

    def _create_vcpus(self, resources: ExitStack, vm: Vm) -> tuple[Vcpu, ...]:
        target = vm.preferred_target()
        vcpus = tuple(
            resources.enter_context(vm.create_vcpu(index)) for index in range(self.plan.config.cpus)
        )
        for vcpu in vcpus:
            vcpu.initialise(target, power_off=vcpu.index > 0)
        return vcpus

    def _add_own_devices(self, vm: Vm) -> None:
        plan = self.plan
        uart = Uart(self._transmit, lambda level: vm.set_line(plan.uart.spi, level))
        self._bus.add(plan.uart.window.address, plan.uart.window.size, uart)
        self._bus.add(plan.panic.address, plan.panic.size, PanicRegister(self._panicked))
        self._bus.add(plan.marks.address, plan.marks.size, self._marks)
        self._console.attach(uart, self._events)

    def _load(self, vcpu: Vcpu) -> None:
        """The tree to where the plan has it, and the boot vCPU's registers (booting.rst)."""
        plan = self.plan
        self._memory.view(plan.tree_address, len(plan.tree))[:] = plan.tree
        vcpu.set_register(core_register("regs.pc"), plan.kernel_address)
        vcpu.set_register(core_register("regs.regs"), plan.tree_address)

    def _transmit(self, data: bytes) -> None:
        self._panic.see(data)
        self._console.write(data)

    def _conclude(self, outcome: Outcome) -> Outcome:
        """A guest that panicked and then resets or powers off has ended with the panic."""
        if self._panic.message and outcome.end in (End.RESET, End.POWER_OFF):
            return Outcome(End.PANIC, self._panic.message)
        return outcome

    def _panicked(self, message: str) -> None:
        self._ending.end(Outcome(End.PANIC, message))

    def _failed(self, error: Exception) -> None:
        self._ending.end(Outcome(End.FAULT, f"serving the guest's events failed: {error}"))
