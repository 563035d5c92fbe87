# SPDX-License-Identifier: Apache-2.0
"""The whole benchmark: every workload in every mode, interleaved and repeated."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from midway.bench.counters import HostCounters
from midway.bench.guest_mode import guest_session
from midway.bench.image import Link, guest_image
from midway.bench.modes import NATIVE
from midway.bench.native_mode import native_session
from midway.bench.results import Run
from midway.bench.runs import as_run
from midway.bench.subject import Subject
from midway.bench.vmm import ExactCounts, GuestSetup, GuestVmm
from midway.bench.window import Window
from midway.bench.workloads import Target, Workload
from midway.board.initramfs import COMMAND_LINE
from midway.errors import HostError, MidwayError
from midway.scratch import scratch_directory

__all__ = ["Experiment", "schedule"]


@dataclass(frozen=True, slots=True)
class _Measured:
    window: Window
    idle: Window | None = None
    exact: ExactCounts | None = None


def _raised(error: MidwayError) -> None:
    raise error


def _in_mode(mode: str, doing: str, error: MidwayError) -> HostError:
    return HostError(f"measuring in mode {mode}, {doing}", answer=str(error))


@dataclass(frozen=True, slots=True)
class Experiment:
    """`vmms` are the modes with a guest, by name; `modes` the order of all in each repetition.

    `kernel` is the guests' image, of the release that the host runs.  `memory` is in MiB.
    """

    subject: Subject
    workloads: tuple[Workload, ...]
    modes: tuple[str, ...]
    vmms: dict[str, GuestVmm]
    repetitions: int
    target: Target
    kernel: Path
    link: Link | None = None
    module_files: tuple[Path, ...] = ()
    memory: int = 1024
    cpus: int = 1
    is_emulated: bool = False

    def runs(
        self,
        progress: Callable[[str], None] = lambda _: None,
        failed: Callable[[MidwayError], None] = _raised,
    ) -> Iterator[Run]:
        """Each when it is whole: those of a guest when it has ended.

        `progress` is told what comes next, and `failed` what went wrong, as a MidwayError that names the mode
        and the workload: by default it is raised, else the rest is measured all the same.  The device is back
        with its driver then.
        """
        with ExitStack() as resources:
            counters = resources.enter_context(
                HostCounters(self.subject.interrupts, shares_counter=self.is_emulated)
            )
            scratch = resources.enter_context(scratch_directory())
            if self.vmms:
                image = guest_image(self.subject, self.workloads, self.target, self.link, self.module_files)
                (scratch / "initrd").write_bytes(image)
            order = 0
            for repetition, mode in schedule(self.modes, self.repetitions):
                try:
                    measured = self._measured_in(mode, repetition, counters, scratch, progress)
                except MidwayError as error:
                    failed(error)
                    continue
                for one in measured:
                    try:
                        run = as_run(mode, repetition, one.window, one.idle, one.exact)
                    except MidwayError as error:
                        failed(_in_mode(mode, one.window.workload.name, error))
                        continue
                    yield msgspec.structs.replace(run, order=order)
                    order += 1

    def _measured_in(
        self,
        mode: str,
        repetition: int,
        counters: HostCounters,
        scratch: Path,
        progress: Callable[[str], None],
    ) -> list[_Measured]:
        doing = "preparing"

        def begin(what: str) -> None:
            nonlocal doing
            doing = what
            progress(f"{mode}, {repetition} of {self.repetitions}: {what}")

        try:
            if mode == NATIVE:
                return self._natively(counters, begin)
            return self._in_a_guest(self.vmms[mode], counters, scratch, begin)
        except MidwayError as error:
            raise _in_mode(mode, doing, error) from error

    def _natively(self, counters: HostCounters, begin: Callable[[str], None]) -> list[_Measured]:
        begin("preparing")
        with native_session(self.subject, self.link, self.module_files, counters) as session:
            windows = []
            for workload in self.workloads:
                begin(workload.name)
                windows.append(session.measure(workload, self.target))
        return [_Measured(window) for window in windows]

    def _in_a_guest(
        self, vmm: GuestVmm, counters: HostCounters, scratch: Path, begin: Callable[[str], None]
    ) -> list[_Measured]:
        begin("starting the guest")
        with (
            tempfile.TemporaryDirectory(dir=scratch) as own,
            guest_session(vmm, self._setup(scratch, Path(own)), counters) as guest,
        ):
            idle = guest.nothing(self.workloads[0], self.target)
            windows = []
            for workload in self.workloads:
                begin(workload.name)
                windows.append(guest.measure(workload, self.target))
            begin("ending the guest")
            guest.end()
            exact = guest.exact[1:] if guest.exact else (None,) * len(windows)
        return [_Measured(window, idle, counts) for window, counts in zip(windows, exact, strict=True)]

    def _setup(self, scratch: Path, own: Path) -> GuestSetup:
        return GuestSetup(
            kernel=self.kernel,
            initrd=scratch / "initrd",
            command_line=COMMAND_LINE,
            memory=self.memory,
            cpus=self.cpus,
            device=self.subject.name,
            scratch=own,
        )


def schedule(modes: Sequence[str], repetitions: int) -> Iterator[tuple[int, str]]:
    """Interleaved: every mode once, then again, so that what changes with time changes for all."""
    for repetition in range(1, repetitions + 1):
        for mode in modes:
            yield repetition, mode
