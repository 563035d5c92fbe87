# SPDX-License-Identifier: Apache-2.0
"""One run of `midway run` on a board with a lab guest: started, followed while it talks, and reported."""

import json
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from midway.errors import LabError
from midway.lab.frames import Kind
from midway.lab.guest import GuestReport, GuestTask, said
from midway.lab.running import RunningBoard

__all__ = ["GuestRun", "run_guest"]

_LAST = 600  # characters, of a guest that does not end
_TIMEOUT = 300.0  # seconds for a whole guest; one takes about 15 on two cores


class GuestRun:
    """A context manager; at its end `midway run` is gone, and the files it was given too.

    `options` are further options of `midway run`, such as ``("--device", NAME)``.  `program` may stand in for
    it, if it takes the same options.  TimeoutError after `timeout` seconds in all.
    """

    def __init__(
        self,
        board: RunningBoard,
        task: GuestTask,
        options: Sequence[str] = (),
        program: Sequence[str] = ("midway", "run"),
        *,
        timeout: float = _TIMEOUT,
    ) -> None:
        self._timeout = timeout
        self._program = tuple(program)
        self._board = board
        self._task = task
        self._options = tuple(options)
        self._directory = ""
        self._console = bytearray()
        self._errors = bytearray()

    def __enter__(self) -> Self:
        root = self._board.root
        self._directory = self._board.run(["mktemp", "-d", "/run/guest.XXXXXX"], check=True).text.strip()
        self._board.put(f"{self._directory}/initrd", self._task.initramfs(root.tree, root.kernel_release))
        self._process = self._board.start(
            [
                *(*self._program, "--kernel", f"/boot/vmlinuz-{root.kernel_release}"),
                *("--initrd", f"{self._directory}/initrd", "--append", self._task.command_line),
                *("--json", f"{self._directory}/summary", *self._options),
            ]
        )
        self._output = self._follow()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.status is None:
            self._process.signal(15)
            self._output = self._follow()  # anew: one that took too long is over, and what it ran is not
            self._rest()
        self._board.run(["rm", "-r", self._directory])

    @property
    def console(self) -> str:
        """What the guest's console has said so far."""
        return self._console.decode(errors="replace")

    def write(self, data: bytes) -> None:
        """Type on the guest's console."""
        self._process.write(data)

    def signal(self, number: int) -> None:
        """Signal `midway run`."""
        self._process.signal(number)

    def wait_for(self, name: str) -> str:
        """Wait until the task says `name`, and return its value; LabError when the guest ends first."""
        while name not in (values := said(self.console)):
            if not next(self._output, False):
                return self._report().value(name)
        return values[name]

    def finish(self) -> GuestReport:
        """Wait for the end, whatever it is."""
        self._rest()
        return self._report()

    def _follow(self) -> Iterator[bool]:
        try:
            for frame in self._process.frames(self._timeout):
                (self._console if frame.kind is Kind.OUTPUT else self._errors).extend(frame.payload)
                yield True
        except TimeoutError as error:
            errors = self._errors.decode(errors="replace")
            raise TimeoutError(
                f"{error}; the guest said last: {self.console[-_LAST:]!r}, midway run: {errors[-_LAST:]!r}"
            ) from error

    def _rest(self) -> None:
        for _ in self._output:
            pass

    def _report(self) -> GuestReport:
        if self._process.status is None:
            raise LabError("the guest has not ended", answer=self.console[-800:])
        return GuestReport(
            status=self._process.status,
            said=said(self.console),
            summary=self._summary(),
            console=self.console,
            errors=self._errors.decode(errors="replace"),
        )

    def _summary(self) -> dict[str, Any]:
        try:
            summary: dict[str, Any] = json.loads(self._board.get(f"{self._directory}/summary"))
        except LabError:
            return {}  # the run failed before it had one; status and errors say how
        return summary


def run_guest(
    board: RunningBoard, task: GuestTask, options: Sequence[str] = (), *, timeout: float = _TIMEOUT
) -> GuestReport:
    """A guest from start to end, in at most `timeout` seconds."""
    with GuestRun(board, task, options, timeout=timeout) as guest:
        return guest.finish()
