# SPDX-License-Identifier: Apache-2.0
"""One to four guests at once, each with a DMA engine of its own, and one guest with all four engines.

All guests begin to copy at once and make as many copies each; the next guest joins those that run already.
The modes take turns while the guests run.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midway.bench.midway_vmm import exact_counts
from midway.bench.results import Counts, ScaleRun
from midway.config import InterruptMode
from midway.errors import LabError
from midway.kernel.hugepages import pool
from midway.lab.boards import Board, board_named
from midway.lab.guest import GuestReport, GuestTask
from midway.lab.guest_run import GuestRun
from midway.lab.loads import dma_rounds
from midway.lab.progress import step
from midway.lab.running import RunningBoard

__all__ = ["MODES", "measure_scale", "scale_board", "scale_run"]

MODES = (InterruptMode.FORWARD, InterruptMode.IRQFD)
_ENGINES = ("ffa80000.dma", "ffa90000.dma", "ffaa0000.dma", "ffab0000.dma")
_MEMORY = 192  # MiB, a guest
_PAGES = len(_ENGINES) * _MEMORY // 2 + 16  # of 2 MiB
_FLEET = ("python3", "-m", "midway.lab.onboard.fleet")
_LONGEST = 900.0  # seconds for a guest


def scale_board() -> Board:
    """A board all of whose memory the engines' driver can reach: it knows 32 bits of addresses."""
    return board_named("versal").with_memory(2048, "cma=0")


@dataclass(frozen=True, slots=True)
class _Round:
    """`took_part` are the guests and the number, from 1, that this round was for each."""

    mode: InterruptMode
    devices: int
    memory: int
    took_part: tuple[tuple[GuestRun, int], ...]


def measure_scale(
    board: RunningBoard, modules: Mapping[str, Path], copies: int, most: int = len(_ENGINES)
) -> tuple[ScaleRun, ...]:
    """On a booted `scale_board`; `modules` are the DMA engines' (guest_modules), `copies` each engine's,
    `most` how many engines there are to be.

    Raises LabError when a guest fails.
    """
    for size, count in ((1 << 30, 0), (2 << 20, _PAGES)):
        board.run(["tee", f"{pool(size)}/nr_hugepages"], stdin=str(count).encode(), check=True)
    task = dma_rounds(modules, copies)
    engines = _ENGINES[:most]
    apart = [(engine,) for engine in engines]
    return (*_grow(board, task, apart), *_grow(board, task, [engines]))


def _grow(board: RunningBoard, task: GuestTask, shares: Sequence[Sequence[str]]) -> Iterator[ScaleRun]:
    """One guest after the other, each with its share of devices; a run in every mode at each number."""
    modes = MODES
    guests: dict[GuestRun, int] = {}
    rounds: list[_Round] = []
    with ExitStack() as stack:
        for share in shares:
            options = ["--memory", str(_MEMORY)]
            for device in share:
                options += ["--device", f"{device},irq={modes[0]}"]
            guest = stack.enter_context(GuestRun(board, task, options, timeout=_LONGEST))
            engines = "a DMA engine each" if len(share) == 1 else f"{len(share)} DMA engines"
            text = f"guest {len(guests) + 1} of {len(shares)}, {engines}"
            with step(f"{text}: boots"):
                guest.wait_for("ready")  # its RAM is taken in one piece before the next one's
            guests[guest] = 0
            for mode in modes:
                with step(f"{text}: {mode}"):
                    rounds.append(_round(board, guests, mode, len(share)))
            modes = modes[::-1]  # the last is where the next begins
        for guest in guests:
            guest.write(b"end\n")
        reports = {guest: guest.finish() for guest in guests}
    for done in rounds:
        yield scale_run(
            str(done.mode),
            done.devices,
            done.memory,
            [(reports[guest], number) for guest, number in done.took_part],
        )


def _round(board: RunningBoard, guests: dict[GuestRun, int], mode: InterruptMode, devices: int) -> _Round:
    memory = json.loads(board.run([*_FLEET, mode], check=True).stdout)
    for guest in guests:
        guests[guest] += 1
        guest.write(b"run\n")
    for guest, number in guests.items():
        guest.wait_for(f"copies_{number}")
    return _Round(mode, devices, sum(memory) // len(memory), tuple(guests.items()))


def scale_run(mode: str, devices: int, memory: int, took_part: Sequence[tuple[GuestReport, int]]) -> ScaleRun:
    """The counts of all guests' rounds together; seconds are those of the slowest guest."""
    intervals = [_interval(report, number) for report, number in took_part]
    exact = [exact_counts(dict(report.summary))[number - 1] for report, number in took_part]
    kinds: Counter[str] = Counter()
    for counts in exact:
        kinds.update(counts.exits_by_kind)
    seconds = max(interval["seconds"] for interval in intervals)

    def said(name: str) -> int:
        return sum(int(report.value(f"{name}_{number}")) for report, number in took_part)

    guest_interrupts = said("interrupts")
    return ScaleRun(
        mode=mode,
        guests=len(took_part),
        devices=devices,
        seconds=round(seconds, 6),
        interrupts_per_s=guest_interrupts / seconds,
        memory=memory,
        counts=Counts(
            operations=said("copies"),
            host_interrupts=sum(interval["interrupts"] for interval in intervals),
            guest_interrupts=guest_interrupts,
            exits=sum(counts.exits for counts in exact),
            user_exits=sum(counts.user_exits for counts in exact),
            exits_by_kind=dict(kinds),
        ),
    )


def _interval(report: GuestReport, number: int) -> Mapping[str, Any]:
    """The guest's round of this number: from a mark 2 to the mark 3 behind it."""
    found = [
        interval
        for interval in report.summary.get("intervals", ())
        if (interval["from"], interval["to"]) == (2, 3)
    ]
    if report.status or len(found) < number:
        raise LabError(
            f"round {number} of a guest",
            answer=f"it ended with status {report.status} after {len(found)} rounds; {report.errors[-400:]}",
        )
    return dict(found[number - 1])
