# SPDX-License-Identifier: Apache-2.0
"""``midway lab irq-cost``: one device, one load, every interrupt mode, counted in two ways.

The exits are counted by KVM's statistics and, of the same run, classified from the kernel's trace.
Instructions are counted in a second run of each mode, without the trace.

The board's clock counts instructions (Board.with_icount), and no load needs the emulator's other threads, so
that what is counted repeats however busy this machine is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from midway.config import InterruptMode
from midway.errors import LabError
from midway.lab.boards import Board, board_named
from midway.lab.cache import Cache
from midway.lab.guest import GuestReport, GuestTask
from midway.lab.guest_modules import guest_modules
from midway.lab.guest_run import run_guest
from midway.lab.loads import disk_load, dma_load
from midway.lab.progress import step
from midway.lab.running import RunningBoard, start_board
from midway.measure.exits import ExitCounts, classify
from midway.measure.irq_cost import ModeCost, mode_cost
from midway.measure.trace_events import HANDLER_ENTRY, TraceEvent, parse_trace

__all__ = ["BOARDS", "count_exits", "measure"]

MODES = (InterruptMode.FORWARD, InterruptMode.IRQFD, InterruptMode.USERSPACE)
_LONGEST = 1800.0  # seconds for a guest of 100,000 interrupts
# Where the host takes interrupts unless it is told otherwise: the guest has each before it could wait for it.
_PLACE = ("--pin", "0")
_RECORDER = ("python3", "-m", "midway.lab.onboard.recorder")


@dataclass(frozen=True, slots=True)
class _Setting:
    board: Board
    device: str
    needs_modules: bool  # drivers for the device, which Debian does not build

    def load(self, modules: Mapping[str, Path], interrupts: int) -> GuestTask:
        return dma_load(modules, interrupts) if modules else disk_load(interrupts)


# The DMA engine's driver reaches 32 bits of addresses; with 3 GiB the versal board's huge page is there.
_SETTINGS = {
    "virt": _Setting(board_named("virt"), "a000000.virtio_mmio", needs_modules=False),
    "versal": _Setting(board_named("versal").with_memory(3072, "cma=0"), "ffa80000.dma", needs_modules=True),
}
BOARDS = tuple(_SETTINGS)


def measure(board_name: str, interrupts: int, *, counts_only: bool = False) -> list[ModeCost]:
    """Each mode's cost under a load of so many interrupts.  Raises LabError where a run was not whole.

    With `counts_only` there is no trace, which many interrupts would not fit into, no second run, and a board
    that runs as fast as it can.
    """
    setting = _SETTINGS[board_name]
    chosen = setting.board if counts_only else setting.board.with_icount()
    with start_board(chosen) as board, _modules(setting, board) as modules:
        costs = count_exits(board, interrupts, modules, traced=not counts_only)
        if counts_only:
            return costs
        task = setting.load(modules, interrupts)
        return [cost._replace(instructions=_instructions(board, setting, task, cost)) for cost in costs]


def count_exits(
    board: RunningBoard, interrupts: int, modules: Mapping[str, Path] | None = None, *, traced: bool = True
) -> list[ModeCost]:
    """The same on a running board, without instructions; `modules` are the DMA engine's if that is used."""
    setting = _SETTINGS[board.board.name]
    task = setting.load(modules or {}, interrupts)
    costs = []
    for mode in MODES:
        with step(f"{mode}: {interrupts} interrupts{', traced' if traced else ''}"):
            if traced:
                costs.append(_traced(board, setting, task, mode))
            else:
                costs.append(_cost(_run(board, setting, task, mode), None))
    return costs


@contextmanager
def _modules(setting: _Setting, board: RunningBoard) -> Iterator[Mapping[str, Path]]:
    if not setting.needs_modules:
        yield {}
        return
    with guest_modules(Cache(), board.root) as built:
        yield built


def _traced(board: RunningBoard, setting: _Setting, task: GuestTask, mode: InterruptMode) -> ModeCost:
    recorder = board.start(_RECORDER)
    output = recorder.lines()
    if next(output, None) != "recording":
        raise LabError("recording the exits of a guest", answer="the board's kernel does not let us")
    report = _run(board, setting, task, mode)
    recorder.close_input()
    lines = _between_marks(list(output), int(report.value("marks"), 16))
    if recorder.status:
        raise LabError("recording the exits of a guest", answer="there were more than the buffer holds")
    (line,) = report.summary["final"]["lines"]
    events = list(parse_trace(lines))
    return _cost(report, classify(events, line["spi"], _host_interrupt(events, line["device"], line["line"])))


def _host_interrupt(events: Iterable[TraceEvent], device: str, line: int) -> int:
    """The host's number of a device's line, whose handlers are in a trace with those of all others."""
    handler = f"vfio-forward:{device}[{line}]"
    for event in events:
        if event.name == HANDLER_ENTRY and event.fields.get("name") == handler:
            return event.number("irq")
    raise LabError("recording the exits of a guest", answer=f"no handler {handler} ran")


def _cost(report: GuestReport, counts: ExitCounts | None) -> ModeCost:
    (line,) = report.summary["final"]["lines"]
    traffic = report.interval(2, 3)
    if not traffic["interrupts"]:
        raise LabError(f"counting interrupts in mode {line['mode']}", answer="the load made none")
    return mode_cost(
        line["mode"],
        traffic,
        counts,
        guest=int(report.value("interrupts")),
        device=int(report.value("done")),
    )


def _instructions(board: RunningBoard, setting: _Setting, task: GuestTask, cost: ModeCost) -> float:
    with step(f"{cost.mode}: {cost.device} interrupts, instructions counted"):
        report = _run(board, setting, task, InterruptMode(cost.mode), "--count-instructions")
    traffic = report.interval(2, 3)
    counts = {traffic["interrupts"], int(report.value("interrupts")), int(report.value("done"))}
    if counts != {cost.device}:
        raise LabError(
            f"counting instructions in mode {cost.mode}",
            device=setting.device,
            answer=f"of {cost.device} interrupts host, guest and device counted {sorted(counts)}",
        )
    # On this board every processor's counter counts the instructions of all.
    return float(traffic["instructions"][0] / traffic["interrupts"])


def _run(
    board: RunningBoard, setting: _Setting, task: GuestTask, mode: InterruptMode, *more: str
) -> GuestReport:
    device = f"{setting.device},irq={mode}"
    options = ("--memory", "1024", "--backing", "direct", *_PLACE, "--device", device, *more)
    report = run_guest(board, task, options, timeout=_LONGEST)
    if report.status or "interrupts" not in report.said:
        raise LabError(f"running the load in mode {mode}", device=setting.device, answer=report.errors[-600:])
    return report


def _between_marks(lines: Sequence[str], register: int) -> Sequence[str]:
    """The trace from the guest's mark 2 to its mark 3."""
    written = f"kvm_mmio: mmio write len 1 gpa {register:#x} val "
    marks = {line.rpartition(" ")[2]: at for at, line in enumerate(lines) if written in line}
    try:
        return lines[marks["0x2"] + 1 : marks["0x3"]]
    except KeyError as error:
        raise LabError("finding the guest's marks in the trace", answer=f"no mark {error}") from error
