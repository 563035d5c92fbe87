# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a VM's interrupts with the kernel's tracer."""

from collections.abc import Iterable, Iterator

from midway.host.tracing import TRACEFS, TraceInstance
from midway.measure.trace_events import (
    CPU_TO_CPU,
    HANDLER_ENTRY,
    HANDLER_EXIT,
    KVM_ENTRY,
    KVM_EXIT,
    SPI_LEVEL,
    TraceEvent,
    parse_trace,
)

__all__ = ["TRACEFS", "TraceRecorder", "line_events"]

_IOCTLS = ("syscalls/sys_enter_ioctl", "syscalls/sys_exit_ioctl")


def line_events(
    tasks: Iterable[int], irqs: Iterable[int], spis: Iterable[int], others: Iterable[int] = ()
) -> dict[str, str]:
    """What `TraceRecorder` records for lines of a VM: its vCPUs' thread ids, host numbers, guest SPIs.

    These are the events that `classify` wants, by name, each with a filter of the kernel's.  `others` are the
    ids of threads whose ioctls are wanted too: those of the VM's that are no vCPUs.
    """
    asked = tuple(others)
    ioctls = dict.fromkeys(_IOCTLS, _any("common_pid", asked)) if asked else {}
    own = _any("common_pid", tasks)
    intids = _any("irq", (spi + 32 for spi in spis))
    handlers = _any("irq", irqs)
    return {
        f"kvm/{KVM_ENTRY}": own,
        f"kvm/{KVM_EXIT}": own,
        f"kvm/{SPI_LEVEL}": intids,
        f"irq/{HANDLER_ENTRY}": f'{handlers} || name == "{CPU_TO_CPU}"',
        f"irq/{HANDLER_EXIT}": handlers,
        **ioctls,
    }


def _any(field: str, values: Iterable[int]) -> str:
    return " || ".join(f"{field} == {value}" for value in sorted(set(values))) or f"{field} == -1"


class TraceRecorder(TraceInstance):
    """An instance whose lines are read as events."""

    def events(self) -> Iterator[TraceEvent]:
        """What was recorded; raises HostError for what is no event."""
        return parse_trace(self.lines())
