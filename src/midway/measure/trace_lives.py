# SPDX-License-Identifier: Apache-2.0
"""The lives of interrupts, reconstructed from a trace: from the device's line to the guest's EOI."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from midway.measure.exits import Exit, ExitKind, exits_of
from midway.measure.trace_events import HANDLER_EXIT, IOCTL, TraceEvent
from midway.uapi import kvm, vfio

__all__ = ["Life", "Step", "Stretch", "lives_of", "typical"]


class Stretch(NamedTuple):
    """From `start` to `end`, in seconds of the trace's clock."""

    start: float
    end: float


class Step(NamedTuple):
    """What user space does for the interrupt: `is_unmask` unmasking the line, else raising the SPI."""

    start: float
    end: float
    is_unmask: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One interrupt.  `handler` ran on the host's `cpu`; `raised` and `lowered` is when the guest's SPI was.

    `exits` are those of the vCPU that took it, `vcpu` by its thread's id: from the one in or before which it
    arrived to the one that ended it, or the first after its delivery.  `steps` are user space's.
    """

    cpu: int
    vcpu: int
    handler: Stretch
    raised: float
    lowered: float | None
    exits: tuple[Exit, ...]
    steps: tuple[Step, ...]

    @property
    def delivered(self) -> float | None:
        """When the guest was entered with the interrupt."""
        entries = (time for found in self.exits for time in (found.entered, found.back))
        return min((time for time in entries if time is not None and time > self.raised), default=None)

    @property
    def end(self) -> float:
        """When the last of it is over."""
        last = self.exits[-1]
        ends = last.back if self.lowered is not None and last.back is not None else last.left
        return max(ends, *(step.end for step in self.steps)) if self.steps else ends

    @property
    def own_exits(self) -> tuple[Exit, ...]:
        """Without the one that only shows that nothing came before it, where the guest completed alone."""
        return self.exits if self.lowered is not None else self.exits[:-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """What is compared to find the usual kind of life: steps and exits, by kind."""
        kinds = Counter(found.kind for found in self.own_exits)
        return (
            kinds[ExitKind.OTHER],
            kinds[ExitKind.DELIVERY],
            kinds[ExitKind.COMPLETION],
            len(self.steps),
        )


def lives_of(events: Sequence[TraceEvent], spi: int, irq: int) -> Iterator[Life]:
    """The whole lives in a trace, in order; those that its beginning or end cuts are left out.

    `events` are as for `exits_of`, and the ioctls of the VM's other threads where they were recorded.
    """
    exits = list(exits_of(events, spi, irq))
    begins = [number for number, event in enumerate(events) if event.enters(irq)]
    for number, next_number in pairwise([*begins, len(events)]):
        until = events[min(next_number, len(events) - 1)].seconds
        life = _life(events[number:next_number], until, exits, spi, irq)
        if life is not None:
            yield life


def _life(
    events: Sequence[TraceEvent], until: float, exits: Sequence[Exit], spi: int, irq: int
) -> Life | None:
    """From what was seen from one run of the handler to the next one, or to the trace's end, at `until`."""
    first = events[0]
    handled = next((e for e in events if e.name == HANDLER_EXIT and e.number("irq") == irq), None)
    raised = next((e for e in events if e.raises(spi, 1)), None)
    if handled is None or raised is None:
        return None
    lowered = next((e for e in events if e.raises(spi, 0) and e.seconds > raised.seconds), None)
    vcpu = lowered.task if lowered is not None else _taker(exits, first, raised.seconds)
    own = [found for found in exits if found.task == vcpu and (found.back or until) >= first.seconds]
    end = _ending(own, raised.seconds, None if lowered is None else lowered.seconds)
    if end is None:
        return None
    if lowered is None and own[end].left > until > raised.seconds:
        # Nothing left the guest before the line came again: that alone shows that the guest had ended it.
        own[end] = replace(own[end], left=until)
    entered = own[end].entered
    if own[end].left > until or (lowered is None and entered is not None and entered >= until):
        return None
    return Life(
        cpu=first.cpu,
        vcpu=vcpu,
        handler=Stretch(first.seconds, handled.seconds),
        raised=raised.seconds,
        lowered=None if lowered is None else lowered.seconds,
        exits=tuple(own[: end + 1]),
        steps=tuple(_steps(events, until)),
    )


def _taker(exits: Sequence[Exit], first: TraceEvent, raised: float) -> int:
    """The thread of the vCPU that the interrupt was delivered to, when nobody has told."""
    for found in exits:
        if found.kind is not ExitKind.OTHER and found.back is not None and found.back > raised:
            if found.left <= raised or found.task == first.task:
                return found.task
            break
    entries = [(found.back, found.task) for found in exits if found.back is not None and found.back > raised]
    return min(entries)[1] if entries else first.task


def _ending(own: Sequence[Exit], raised: float, lowered: float | None) -> int | None:
    """The life's last exit: the one in which the SPI was lowered, or the first after the delivery."""
    for number, found in enumerate(own):
        if lowered is not None:
            if found.left <= lowered and (found.back is None or found.back > lowered):
                return number
        elif found.entered is not None and found.entered > raised:
            return number
    return None


def _steps(events: Sequence[TraceEvent], until: float) -> Iterator[Step]:
    """Ioctls that raise the guest's SPI or set the line's interrupts, each until it returns.

    Unmasking a line that is asserted returns only after the next interrupt.
    """
    wanted = {f"{kvm.KVM_IRQ_LINE:x}": False, f"{vfio.VFIO_DEVICE_SET_IRQS:x}": True}
    called: dict[int, TraceEvent] = {}
    for event in events:
        if event.name != IOCTL:
            continue
        if "result" not in event.fields:
            called[event.task] = event
        elif (call := called.pop(event.task, None)) is not None and call.fields.get("command") in wanted:
            yield Step(call.seconds, event.seconds, wanted[call.fields["command"]])
    for call in called.values():
        if wanted.get(call.fields.get("command", "")):
            yield Step(call.seconds, until, True)


def typical(lives: Sequence[Life]) -> Life | None:
    """The life that is like most, of median length; with nothing else in between where there is such."""
    if not lives:
        return None
    plain = [life for life in lives if life.shape[1]] or lives
    undisturbed = min(life.shape[0] for life in plain)
    plain = [life for life in plain if life.shape[0] == undisturbed]
    usual, _ = Counter(life.shape for life in plain).most_common(1)[0]
    alike = [life for life in plain if life.shape == usual]
    middle = median(life.end - life.handler.start for life in alike)
    return min(alike, key=lambda life: abs(life.end - life.handler.start - middle))
