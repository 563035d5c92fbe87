# SPDX-License-Identifier: Apache-2.0
"""A VMM's process, whose standard input and output are its guest's console, and the talk with that guest."""

import os
import selectors
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from midway.errors import GuestError, HostError
from midway.host.signals import uninterrupted

__all__ = ["TIED", "GuestProcess", "piped"]

TIED = ("setpriv", "--pdeathsig", "TERM")
"""Before a command: it is told to end when this process is gone, killed for instance."""

_SAYS = "midway-bench: "
_FAILED = "failed"
_CHUNK = 1 << 16
_LONGEST = 4 << 20  # bytes of console, of which a guest that works says a few thousand
_LAST_WORDS = 600
_PATIENCE = 20.0  # seconds a VMM gets to stop in order


class GuestProcess:
    """A context manager: the process runs while it lasts, and is gone at its end.

    Entering raises HostError when no program can be run.  The guest says ``midway-bench: NAME=VALUE`` on
    lines of their own (onboard/guest-init.sh).  `began` is when the process was made, in seconds of the
    monotonic clock.
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = tuple(argv)
        self._resources = ExitStack()
        self._pending = bytearray()
        self._console = bytearray()
        self.began = 0.0

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self._errors = resources.enter_context(tempfile.TemporaryFile())
            self.began = time.monotonic()
            try:
                # A group of its own: Ctrl-C is ours, and we stop it.
                self._process = subprocess.Popen(
                    (*TIED, *self._argv),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._errors,
                    start_new_session=True,
                    bufsize=0,
                )
            except OSError as error:
                raise HostError(f"running {TIED[0]}", answer=error.strerror) from error
            resources.callback(self._stop)
            self._input, self._output = piped(self._process.stdin), piped(self._process.stdout)
            self._selector = resources.enter_context(selectors.DefaultSelector())
            self._selector.register(self._output, selectors.EVENT_READ)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, line: str) -> None:
        """Type a line on the guest's console."""
        try:
            self._input.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise self._error(f"telling the guest to {line}", "its VMM has ended") from None

    def expect(self, name: str, timeout: float) -> str:
        """The value of what the guest says next, which has to be `name`.

        Raises GuestError with its last words when it fails, ends, or says nothing for `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            line = self._line()
            if line is None:
                self._read(name, deadline)
                continue
            said, _, value = line.partition("=")
            if said == name:
                return value
            if said == _FAILED:
                raise GuestError("preparing the guest", answer=value)
            raise self._error(f"waiting for the guest to say {name}", f"it says {line}")

    def wait(self) -> int:
        """The process's exit status once it has ended by itself.  GuestError when it does not."""
        deadline = time.monotonic() + _PATIENCE
        try:
            while True:
                self._read("", deadline)
        except EOFError:
            pass
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            raise self._error("waiting for the VMM to end", "it does not") from None

    def _line(self) -> str | None:
        """The guest's next message that is there already."""
        while (end := self._pending.find(b"\n")) >= 0:
            line = self._pending[:end].decode(errors="replace").rstrip("\r")
            del self._pending[: end + 1]
            # A message of the kernel may stand before it on the line.
            _, mark, said = line.partition(_SAYS)
            if mark:
                return said
        return None

    def _read(self, name: str, deadline: float) -> None:
        attempted = f"waiting for the guest to say {name}" if name else "waiting for the guest's end"
        left = deadline - time.monotonic()
        if left <= 0 or not self._selector.select(left):
            raise self._error(attempted, "it says nothing")
        data = os.read(self._output.fileno(), _CHUNK)
        if not data:
            if name:
                raise self._error(attempted, "its VMM has ended")
            raise EOFError
        self._pending += data
        self._console += data
        if len(self._console) > _LONGEST:
            raise self._error(attempted, "it says too much")

    def _error(self, attempted: str, what: str) -> GuestError:
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - _LAST_WORDS))
        words = {"the VMM": self._errors.read(), "its console": bytes(self._console[-_LAST_WORDS:])}
        last = [
            f"{who} said last: {' '.join(said.decode(errors='replace').split())}"
            for who, said in words.items()
            if said.strip()
        ]
        return GuestError(attempted, answer="; ".join([what, *last]))

    def _stop(self) -> None:
        with uninterrupted():  # while it runs nobody else can have the device
            self._process.terminate()
            try:
                # Its output has to be read: it may wait for that in order to end.
                self._process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()


def piped(file: IO[bytes] | None) -> IO[bytes]:
    """One of a process's files that was asked to be a pipe."""
    if file is None:
        raise RuntimeError("not a pipe")
    return file
