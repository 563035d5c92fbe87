# SPDX-License-Identifier: Apache-2.0
"""The host's interrupts follow the guest's: each goes to the CPU of the vCPU that the guest routed it to.

A running VM's GIC cannot be asked for its routing: KVM answers EBUSY while a vCPU is in KVM_RUN.  But the
guest's writes to the distributor trap, and KVM tells of each (trace event kvm_mmio): those to the registers
of the routing, and only those, are recorded.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from midway.board.plan import GicPlan
from midway.errors import KernelError
from midway.findings import Finding, Severity
from midway.host.affinity import HostInterrupt
from midway.host.interrupts import host_interrupt
from midway.host.sysfs import HostFiles
from midway.host.tracing import TRACEFS, TraceInstance

__all__ = ["FollowedLine", "FollowingAffinity", "Routing", "routing_of"]

_TARGETS, _ROUTERS = 0x800, 0x6000  # GICD_ITARGETSR (IHI 0048), GICD_IROUTER (IHI 0069)
_LAST_INTID = 1019
_WRITE = 2  # KVM_TRACE_MMIO_WRITE
_LINE = re.compile(
    r".{1,16}-(?P<task>\d+)\s+(?:\([-\d ]+\)\s+)?\[\d+\].*kvm_mmio: mmio write len (?P<size>\d+) "
    r"gpa 0x(?P<address>[0-9a-f]+) val 0x(?P<value>[0-9a-f]+)"
)
_BUFFER = 64  # KiB for each CPU
_READ = 1 << 16


class FollowedLine(NamedTuple):
    """A line by its device and index, and the guest's SPI."""

    device: str
    line: int
    spi: int


class Routing(NamedTuple):
    """The guest routes an interrupt to a vCPU; `task` is the thread of the vCPU that wrote so."""

    task: int
    intid: int
    vcpu: int


def routing_of(line: str, gic: GicPlan) -> Iterator[Routing]:
    """What a line of the trace says of the routing; nothing when it is of something else."""
    found = _LINE.match(line.strip())
    if found is None:
        return
    offset = int(found["address"], 16) - gic.distributor.address
    task, size, value = int(found["task"]), int(found["size"]), int(found["value"], 16)
    if gic.version == 3:
        # Affinity level 0 has 16 vCPUs in KVM's guests, level 1 the next ones.  The register's upper half
        # has level 3, which is always 0.
        if offset >= _ROUTERS and offset % 8 == 0:
            yield Routing(task, (offset - _ROUTERS) // 8, (value >> 8 & 0xFF) * 16 + (value & 0xF))
        return
    for number in range(size):
        mask = value >> 8 * number & 0xFF
        if offset >= _TARGETS and mask:
            yield Routing(task, offset - _TARGETS + number, (mask & -mask).bit_length() - 1)


class FollowingAffinity:
    """While the context lasts each line's host interrupt is on the CPU of its vCPU; then it is put back.

    `pins` are the CPUs by vCPU, `tasks` gives the vCPUs' thread ids; `report` hears of what failed,
    once for each line: a guest may change its routing all the time.  `fd` can be polled; `follow` is to be
    called when it can be read.  Entering raises HostError, DeviceError and KernelError.
    """

    def __init__(
        self,
        gic: GicPlan,
        lines: Sequence[FollowedLine],
        pins: Sequence[int],
        tasks: Callable[[], Sequence[int]],
        report: Callable[[Finding], None],
        *,
        files: HostFiles | None = None,
        tracefs: Path = TRACEFS,
    ) -> None:
        self._gic = gic
        self._lines = lines
        self._pins = pins
        self._tasks = tasks
        self._report = report
        self._files = files or HostFiles()
        self._tracefs = tracefs
        self._affinities: dict[int, HostInterrupt] = {}
        self._refused: set[int] = set()
        self._resources = ExitStack()
        self.fd = -1

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            for line in self._lines:
                irq = host_interrupt(line.device, line.line, self._files)
                affinity = resources.enter_context(HostInterrupt(irq, line.device, self._files))
                affinity.move(self._pins[0])  # where a GIC routes to after reset
                self._affinities[line.spi + 32] = affinity
            instance = resources.enter_context(
                TraceInstance({"kvm/kvm_mmio": self._filter()}, buffer=_BUFFER, tracefs=self._tracefs)
            )
            self.fd = instance.pipe()
            resources.callback(os.close, self.fd)
            instance.start()
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def follow(self) -> None:
        """Move what the guest has routed elsewhere since the last call."""
        try:
            text = os.read(self.fd, _READ).decode(errors="replace")
        except BlockingIOError:
            return
        for line in text.splitlines():
            for routing in routing_of(line, self._gic):
                self._take(routing)

    def _filter(self) -> str:
        is_v3 = self._gic.version == 3
        first, width = (_ROUTERS, 8) if is_v3 else (_TARGETS, 1)
        start = self._gic.distributor.address + first
        end = start + width * (_LAST_INTID + 1)
        return f"type == {_WRITE} && gpa >= {start:#x} && gpa < {end:#x}"

    def _take(self, routing: Routing) -> None:
        affinity = self._affinities.get(routing.intid)
        is_ours = routing.task in self._tasks()  # and not another VM's
        if affinity is None or not is_ours or routing.vcpu >= len(self._pins):
            return
        try:
            affinity.move(self._pins[routing.vcpu])
        except KernelError as error:
            if routing.intid in self._refused:
                return
            self._refused.add(routing.intid)
            subject = error.device or "host"
            self._report(Finding("affinity-not-followed", Severity.WARNING, subject, str(error)))
