# SPDX-License-Identifier: Apache-2.0
"""The life of one interrupt as a picture: lanes, bars and numbered arrows, before anyone draws it."""

from dataclasses import dataclass
from enum import Enum, IntEnum, auto

from midway.config import InterruptMode
from midway.measure.exits import Exit, ExitKind
from midway.measure.trace_lives import Life

__all__ = ["LANES", "Arrow", "Bar", "Kind", "Lane", "Picture", "picture_of"]


class Lane(IntEnum):
    """From top to bottom."""

    DEVICE = 0
    HOST = 1
    VGIC = 2
    GUEST = 3
    USER = 4


LANES = {
    Lane.DEVICE: "device line",
    Lane.HOST: "host CPU",
    Lane.VGIC: "vGIC",
    Lane.GUEST: "guest",
    Lane.USER: "user space",
}


class Kind(Enum):
    """What a bar or an arrow stands for."""

    LINE = auto()  # the physical line is masked or active
    HOST = auto()  # the host's handler
    KVM = auto()  # KVM between an exit and an entry
    PENDING = auto()
    LISTED = auto()  # in a list register
    GUEST = auto()
    HANDLING = auto()  # the guest, with the interrupt
    WAITING = auto()  # the guest, for any interrupt
    USER = auto()
    SIGNAL = auto()
    ENTRY = auto()
    EXIT = auto()
    FREE = auto()  # a completion without an exit


@dataclass(frozen=True, slots=True)
class Bar:
    """`start` and `end` in seconds from when the host took the interrupt; `is_open`: it goes on."""

    lane: Lane
    start: float
    end: float
    kind: Kind
    label: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """`text` says what happens, in a sentence; such an arrow has a number in the drawing."""

    at: float
    source: Lane
    target: Lane
    kind: Kind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """`arrows` are in the order of time; `is_timed`: the times mean something."""

    title: str
    subtitle: str
    bars: tuple[Bar, ...]
    arrows: tuple[Arrow, ...]
    is_timed: bool = True

    @property
    def moments(self) -> tuple[float, ...]:
        """Every time at which something begins, ends or points, in order."""
        times = {bar.start for bar in self.bars} | {bar.end for bar in self.bars}
        return tuple(sorted(times | {arrow.at for arrow in self.arrows}))


_HOW_IT_GOES_ON = {
    InterruptMode.USERSPACE: ("VFIO masks the line and wakes Midway through an eventfd", Lane.USER),
    InterruptMode.IRQFD: ("VFIO masks the line; the irqfd makes SPI {spi} pending", Lane.VGIC),
    InterruptMode.FORWARD: ("the driver makes SPI {spi} pending; the line stays active", Lane.VGIC),
}


def picture_of(life: Life, mode: InterruptMode, *, device: str, spi: int, is_timed: bool = True) -> Picture:
    """What a life looks like that was recorded in `mode`.  `is_timed`: the times mean something."""
    return _Drawing(life, mode, device, spi).picture(is_timed)


class _Drawing:
    def __init__(self, life: Life, mode: InterruptMode, device: str, spi: int) -> None:
        self._life = life
        self._mode = mode
        self._device = device
        self._spi = spi
        self._bars: list[Bar] = []
        self._arrows: list[Arrow] = []
        delivered = life.delivered
        self._delivered = life.raised if delivered is None else delivered
        self._end = life.end
        if mode is InterruptMode.FORWARD or life.lowered is None:
            # The guest's EOI leaves no trace.  It is somewhere before the next exit.
            self._completed = self._delivered + (self._end - self._delivered) * 0.6
        else:
            # Seen as one event, but first the guest is left, then the SPI is lowered.
            last = life.exits[-1]
            room = (last.back or last.left) - last.left
            self._completed = max(life.lowered, last.left + room * 0.2)

    def picture(self, is_timed: bool) -> Picture:
        self._draw_delivery()
        self._draw_guest()
        self._draw_completion()
        counted = [found for found in self._life.own_exits if found.kind is not ExitKind.OTHER]
        completions = sum(found.kind is ExitKind.COMPLETION for found in counted)
        exits = (
            f"{len(counted)} exit{'s' * (len(counted) != 1)} for it, {completions or 'none'} to complete it"
        )
        steps = len(self._life.steps)
        through = f"{steps} system calls of Midway's" if steps else "nothing passes through user space"
        return Picture(
            title=f"One interrupt of {self._device}, mode {self._mode}",
            subtitle=f"{exits}; {through}",
            bars=tuple(self._bars),
            arrows=tuple(sorted(self._arrows, key=lambda arrow: arrow.at)),
            is_timed=is_timed,
        )

    def _bar(
        self, lane: Lane, start: float, end: float, kind: Kind, label: str = "", is_open: bool = False
    ) -> None:
        if end > start:
            zero = self._life.handler.start
            self._bars.append(Bar(lane, start - zero, end - zero, kind, label, is_open))

    def _arrow(self, at: float, source: Lane, target: Lane, kind: Kind, text: str = "") -> None:
        self._arrows.append(Arrow(at - self._life.handler.start, source, target, kind, text))

    def _draw_delivery(self) -> None:
        life, spi = self._life, self._spi
        taken = life.handler.start
        leaves = any(found.kind is ExitKind.DELIVERY and found.left <= taken for found in life.exits)
        text = "the device interrupts the host" + (": the guest is left" if leaves else "")
        self._arrow(taken, Lane.DEVICE, Lane.HOST, Kind.SIGNAL, text)
        self._bar(Lane.HOST, taken, life.handler.end, Kind.HOST, f"handler, CPU {life.cpu}")
        how, target = _HOW_IT_GOES_ON[self._mode]
        is_by_user = target is Lane.USER
        at = life.handler.end if is_by_user else life.raised
        self._arrow(at, Lane.HOST, target, Kind.SIGNAL, how.format(spi=spi))
        if is_by_user:
            self._arrow(life.raised, Lane.USER, Lane.VGIC, Kind.SIGNAL, f"Midway makes SPI {spi} pending")
        self._bar(Lane.VGIC, life.raised, self._delivered, Kind.PENDING, "pending")

    def _draw_guest(self) -> None:
        """The guest's stretches, and KVM's between them."""
        life = self._life
        listed = f"a list register holds SPI {self._spi}"
        if self._mode is InterruptMode.FORWARD:
            listed += " with the HW bit and the line's physical number"
        for found in life.exits:
            if found.entered is not None and found.left >= life.handler.start - self._lead:
                self._draw_stretch(found.entered, found.left)
            is_last = found is life.exits[-1]
            self._draw_exit(found, is_last)
            if found.back is not None and not (is_last and life.lowered is None):
                text = ""
                if found.back == self._delivered:
                    text = f"the guest is entered; {listed}"
                self._arrow(found.back, Lane.HOST, Lane.GUEST, Kind.ENTRY, text)

    def _draw_stretch(self, start: float, end: float) -> None:
        begin = max(start, self._life.handler.start - self._lead)
        if start < self._delivered:
            self._bar(Lane.GUEST, begin, end, Kind.GUEST, "runs", is_open=begin > start)
        else:
            handled = min(end, self._completed)
            self._bar(Lane.GUEST, start, handled, Kind.HANDLING, "handles it, EOI")
            self._bar(Lane.GUEST, handled, end, Kind.GUEST, "runs on", is_open=True)

    @property
    def _lead(self) -> float:
        """How much is shown of the time before."""
        return (self._end - self._life.handler.start) * 0.1

    def _draw_exit(self, found: Exit, is_last: bool) -> None:
        text = ""
        if found.kind is ExitKind.COMPLETION:
            text = "the guest's EOI leaves the guest, only to complete"
        elif found.kind is ExitKind.DELIVERY and found.left > self._life.handler.start:
            is_kicked = found.left >= self._life.raised
            text = "the vCPU is kicked out of the guest to be given it" if is_kicked else "the guest is left"
        after_all = is_last and self._life.lowered is None
        taken = self._life.handler.start
        if found.kind is ExitKind.OTHER and found.left < taken and found.back is not None:
            # It was out of the guest already, for something else: most often it waited.
            self._bar(Lane.GUEST, taken - self._lead, self._life.raised, Kind.WAITING, "waits outside")
            self._bar(Lane.HOST, max(self._life.handler.end, self._life.raised), found.back, Kind.KVM, "KVM")
        elif not after_all:
            kind = Kind.EXIT if found.kind is not ExitKind.OTHER else Kind.SIGNAL
            self._arrow(found.left, Lane.GUEST, Lane.HOST, kind, text)
            back = self._end if found.back is None else found.back
            own_cpu = (
                max(found.left, self._life.handler.end) if found.left <= self._life.raised else found.left
            )
            self._bar(Lane.HOST, own_cpu, back, Kind.KVM, "KVM")
            if is_last:
                self._bar(Lane.GUEST, back, back + self._lead, Kind.GUEST, "runs on", is_open=True)

    def _draw_completion(self) -> None:
        life, until = self._life, self._completed
        label = "in a list register"
        self._bar(Lane.VGIC, self._delivered, until, Kind.LISTED, label)
        unmask = next((step for step in life.steps if step.is_unmask), None)
        if self._mode is InterruptMode.FORWARD:
            self._arrow(
                until,
                Lane.GUEST,
                Lane.DEVICE,
                Kind.FREE,
                "the guest's EOI: the GIC deactivates the line itself, without an exit (inferred: it leaves "
                "no trace)",
            )
        elif self._mode is InterruptMode.IRQFD:
            text = f"KVM lowers SPI {self._spi}; the resample eventfd unmasks the line"
            self._arrow(until, Lane.VGIC, Lane.DEVICE, Kind.SIGNAL, text)
        else:
            text = f"KVM lowers SPI {self._spi} and wakes Midway through an eventfd"
            self._arrow(until, Lane.VGIC, Lane.USER, Kind.SIGNAL, text)
        if self._mode is InterruptMode.USERSPACE and unmask is not None:
            until = unmask.end
            self._arrow(until, Lane.USER, Lane.DEVICE, Kind.SIGNAL, "Midway unmasks the line")
        held = "active" if self._mode is InterruptMode.FORWARD else "masked"
        self._bar(Lane.DEVICE, life.handler.start, until, Kind.LINE, held)
        for step in life.steps:
            self._bar(Lane.USER, step.start, step.end, Kind.USER, "unmask" if step.is_unmask else "raise")
