# SPDX-License-Identifier: Apache-2.0
"""One QEMU process that is an emulated board: its command line, its console, its life."""

import contextlib
import io
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from midway.lab.tools import missing_tool

__all__ = ["Machine", "start_machine"]


class Machine:
    """A running QEMU whose standard output is the board's console."""

    def __init__(self, process: "subprocess.Popen[bytes]", show_console: bool) -> None:
        self._process = process
        self._text = bytearray()
        self._show = show_console
        self._reader = threading.Thread(target=self._read_console, name="lab-console", daemon=True)
        self._reader.start()

    @property
    def console(self) -> str:
        """Everything the board's console and QEMU have said so far."""
        return self._text.decode(errors="replace").replace("\r", "")

    @property
    def process_id(self) -> int:
        return self._process.pid

    def wait(self, timeout: float | None = None) -> int:
        """QEMU's exit status, once it has ended and its console is complete."""
        status = self._process.wait(timeout)
        self._reader.join()
        return status

    def kill(self) -> None:
        """End QEMU at once; nothing of a board outlives it."""
        self._process.kill()
        self.wait()

    def add_console(self, data: bytes) -> None:
        """Add what the board said elsewhere to the console's text."""
        self._text += data
        if self._show:
            with contextlib.suppress(OSError, ValueError):  # the terminal is gone: nobody is there to read
                sys.stderr.write(data.decode(errors="replace"))
                sys.stderr.flush()

    def _read_console(self) -> None:
        stream = self._process.stdout
        assert isinstance(stream, io.BufferedReader)  # noqa: S101
        with stream:
            while data := stream.read1(4096):
                self.add_console(data)


@contextmanager
def start_machine(
    arguments: Sequence[str], descriptors: Sequence[int], *, show_console: bool
) -> Iterator[Machine]:
    """Run QEMU with `arguments`, passing on open `descriptors`, until the block ends.

    The kernel kills QEMU when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG), however that
    ends; so a board has to be started by a thread that outlives it.  Raises LabError when QEMU is not
    installed.
    """
    command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-aarch64", *arguments]
    if shutil.which("qemu-system-aarch64") is None:
        raise missing_tool("qemu-system-aarch64", "cannot start the emulator")
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=descriptors,
        process_group=0,  # Ctrl-C is for us; we end QEMU
    )
    machine = Machine(process, show_console)
    try:
        yield machine
    finally:
        machine.kill()
