# SPDX-License-Identifier: Apache-2.0
"""What each exit from the guest was for, as the kernel's trace tells it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from midway.errors import HostError
from midway.measure.trace_events import HANDLER_ENTRY, KVM_ENTRY, KVM_EXIT, SPI_LEVEL, TraceEvent

__all__ = ["Exit", "ExitCounts", "ExitKind", "classify", "exits_of", "require_pairs"]

_FOR_AN_INTERRUPT = "IRQ"


class ExitKind(StrEnum):
    """What an exit has to do with one line of a device."""

    DELIVERY = "delivery"
    COMPLETION = "completion"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit of one vCPU's thread: in the guest from `entered` to `left`, not again before `back`.

    Seconds of the trace's clock; `left` is when the first is seen of the exit, `back` and `entered` are None
    where the trace begins or ends in between.  `reason` is KVM's, and for
    a trap its class.  `carries_next`: the exit at which one interrupt was completed delivered the next one.
    """

    task: int
    entered: float | None
    left: float
    back: float | None
    reason: str
    kind: ExitKind
    carries_next: bool = False


@dataclass(frozen=True, slots=True)
class ExitCounts:
    """`interrupts`: how often the host's handler ran; `raised` and `lowered`: how often the guest's SPI was.

    `other` are the remaining exits by reason, `merged` the completions that delivered the next interrupt too.
    """

    interrupts: int
    raised: int
    lowered: int
    delivery: int
    completion: int
    merged: int
    other: Counter[str] = field(default_factory=Counter)

    @property
    def exits(self) -> int:
        return self.delivery + self.completion + self.other.total()

    def per_interrupt(self, exits: int) -> float:
        """0 where there was no interrupt."""
        return exits / self.interrupts if self.interrupts else 0.0


@dataclass(slots=True)
class _Span:
    """What is known of one vCPU's thread since it last entered the guest."""

    entered: float | None = None
    exit: TraceEvent | None = None
    left: float | None = None  # the first that is seen of the exit
    handled: bool = False  # the device's handler ran in this thread, before KVM told of the exit
    under_way: bool = False  # the host took the interrupt, or the SPI was raised, elsewhere meanwhile
    kicked: bool = False  # and then another host CPU interrupted this one: the vCPU was kicked for it
    lowered: bool = False  # the SPI was lowered by this thread: the guest had ended its interrupt

    def as_exit(self, task: int, event: TraceEvent, back: float | None) -> Exit:
        reason = event.fields.get("reason", "?")
        kind = ExitKind.OTHER
        # An exit for another reason would have been there without the interrupt, whatever happened in it.
        if reason == _FOR_AN_INTERRUPT:
            if self.lowered:
                kind = ExitKind.COMPLETION
            elif self.handled or self.kicked:
                kind = ExitKind.DELIVERY
        trapped = event.fields.get("class", "") if reason == "TRAP" else ""
        return Exit(
            task=task,
            entered=self.entered,
            left=event.seconds if self.left is None else self.left,
            back=back,
            reason=trapped or reason,
            kind=kind,
            carries_next=kind is ExitKind.COMPLETION and (self.handled or self.kicked),
        )


def exits_of(events: Iterable[TraceEvent], spi: int, irq: int | None = None) -> Iterator[Exit]:
    """The exits of all vCPU threads in the trace, each when it is over.

    `events` are in the order of time: kvm_entry and kvm_exit of one VM's threads, vgic_update_irq_pending,
    and irq_handler_entry of the line and between CPUs.  `spi` is the guest's number of the line and
    `irq` the host's (None: every handler in the trace that is not between CPUs is the line's).

    KVM tells of an exit (kvm_exit) when it has already read back the guest's interrupt state and let the host
    take its interrupts.  So what an exit was for stands between the kvm_entry before it and its kvm_exit.
    """
    spans: dict[int, _Span] = {}
    for event in events:
        if event.name == KVM_ENTRY:
            span = spans.get(event.task)
            if span is not None and span.exit is not None:
                yield span.as_exit(event.task, span.exit, event.seconds)
            spans[event.task] = _Span(entered=event.seconds)
        elif event.name == KVM_EXIT:
            spans.setdefault(event.task, _Span()).exit = event
        elif event.name in (SPI_LEVEL, HANDLER_ENTRY):
            _note(event, spans, spi, irq)
    for task, span in spans.items():
        if span.exit is not None:
            yield span.as_exit(task, span.exit, None)


def _note(event: TraceEvent, spans: dict[int, _Span], spi: int, irq: int | None) -> None:
    own = spans.get(event.task)
    if own is not None and own.exit is None:
        own.left = event.seconds if own.left is None else own.left
        own.handled |= event.enters(irq)
        own.lowered |= event.raises(spi, 0)
        own.kicked |= own.under_way and event.is_from_a_cpu
    if event.enters(irq) or event.raises(spi, 1):
        # Which vCPU the guest routed it to is not told: it is the one that is interrupted in the guest next.
        for task, span in spans.items():
            if span.exit is None and task != event.task:
                span.under_way = True


def classify(events: Iterable[TraceEvent], spi: int, irq: int | None = None) -> ExitCounts:
    """Count the exits of a trace by what they were for; arguments as for `exits_of`.

    An exit is a `delivery` when it is for an interrupt and the line's host handler ran in it, or that ran
    elsewhere and the vCPU was interrupted for it.  It is a `completion` when it is for an interrupt, the
    GIC's maintenance interrupt, and the SPI was lowered in it.  All others are `other`.
    """
    kept = list(events)
    kinds: Counter[ExitKind] = Counter()
    other: Counter[str] = Counter()
    merged = 0
    for found in exits_of(kept, spi, irq):
        kinds[found.kind] += 1
        merged += found.carries_next
        if found.kind is ExitKind.OTHER:
            other[found.reason] += 1
    return ExitCounts(
        interrupts=sum(event.enters(irq) for event in kept),
        raised=sum(event.raises(spi, 1) for event in kept),
        lowered=sum(event.raises(spi, 0) for event in kept),
        delivery=kinds[ExitKind.DELIVERY],
        completion=kinds[ExitKind.COMPLETION],
        merged=merged,
        other=other,
    )


def require_pairs(events: Iterable[TraceEvent]) -> None:
    """Raise HostError unless each vCPU thread was recorded entering its guest as often as leaving it.

    They may differ by the one that the beginning or the end of the recording cuts off.  More are missing
    where switching a trace point on had no effect, and then no exit can be told from another.
    """
    entries: Counter[int] = Counter()
    exits: Counter[int] = Counter()
    for event in events:
        entries[event.task] += event.name == KVM_ENTRY
        exits[event.task] += event.name == KVM_EXIT
    for task, entered in entries.items():
        if abs(entered - exits[task]) > 1:
            raise HostError(
                f"recording the exits of vCPU thread {task}",
                answer=f"the kernel recorded {entered} {KVM_ENTRY} and {exits[task]} {KVM_EXIT}",
                remedy="one of the two trace points had no effect: record once more",
            )
