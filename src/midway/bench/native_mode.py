# SPDX-License-Identifier: Apache-2.0
"""Measuring on the host itself, the device in the hands of its own driver.

A network interface goes into a network namespace of its own meanwhile: all its traffic then goes through the
device, whatever else the host has on that network.  The namespace lives as long as a process of ours that
waits on a pipe; when that is gone, however this one ended, the kernel gives the interface back, down as it
was found.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from midway.bench.counters import HostCounters
from midway.bench.guest_process import TIED, piped
from midway.bench.image import Link, script
from midway.bench.subject import Subject, nodes_of
from midway.bench.window import Window, patience
from midway.bench.workloads import Kind, Place, Target, Workload
from midway.errors import HostError

__all__ = ["NativeSession", "native_session"]

_READY = b"ready\n"
_PREPARATION = 120.0  # seconds
_GRACE = 5.0  # seconds for a tool to undo what it began


@dataclass(frozen=True, slots=True)
class NativeSession:
    """`prefix` is what a command needs before it to run where the device is."""

    place: Place
    counters: HostCounters
    prefix: tuple[str, ...] = ()

    def measure(self, workload: Workload, target: Target) -> Window:
        command = workload.command(target, self.place)
        before = self.counters.snapshot()
        output = _run((*TIED, *self.prefix, *command), f"running {workload.name}", patience(target))
        return Window(workload, target.seconds, output, before, self.counters.snapshot())


@contextmanager
def native_session(
    subject: Subject, link: Link | None, module_files: Sequence[Path], counters: HostCounters
) -> Iterator[NativeSession]:
    """The device ready for loads; at the end it is as it was.  Raises HostError.

    `module_files` are loaded meanwhile, those that are not loaded already.
    """
    with ExitStack() as resources:
        for path in module_files:
            resources.enter_context(_module(path))
        if shutil.which("udevadm"):
            # After each guest its driver names the device anew, and udev may give it another name.
            _run(("udevadm", "settle"), "waiting for the device's name", _PREPARATION)
        nodes = nodes_of(subject.name, subject.kind)
        if not nodes:
            raise HostError(
                "measuring natively",
                answer=f"no driver of the host has {subject.name}",
                remedy="leave out the mode native, or give the driver with --module",
            )
        if link is not None:
            prefix = resources.enter_context(_linked(nodes[0], link))
            yield NativeSession(Place(), counters, prefix)
        elif subject.kind is Kind.DISK:
            yield NativeSession(Place(disk=f"/dev/{nodes[0]}"), counters)
        else:
            yield NativeSession(Place(channel=nodes[0]), counters)


@contextmanager
def _module(path: Path) -> Iterator[None]:
    name = path.name.partition(".ko")[0].replace("-", "_")
    if (Path("/sys/module") / name).is_dir():
        yield
        return
    _run(("insmod", str(path)), f"loading {path}", _PREPARATION)
    try:
        yield
    finally:
        _run(("rmmod", name), f"unloading {name}", _PREPARATION)


@contextmanager
def _linked(interface: str, link: Link) -> Iterator[tuple[str, ...]]:
    """What a command needs before it to run where the interface is, alone, with its address."""
    with _namespace() as namespace:
        inside = ("nsenter", f"--net={namespace}")
        _run(
            ("ip", "link", "set", "dev", interface, "netns", namespace.split("/")[2]),
            f"moving {interface} into a network namespace",
            _PREPARATION,
        )
        network = ("sh", "-c", script("network.sh"), "network.sh")
        _run(
            (*inside, *network, interface, str(link.address), str(link.peer)),
            f"reaching the peer through {interface}",
            _PREPARATION,
        )
        yield inside


@contextmanager
def _namespace() -> Iterator[str]:
    """The file of a network namespace that is there while the block runs."""
    holder = ("unshare", "--net", "sh", "-c", "echo ready; exec cat")
    try:
        process = subprocess.Popen(
            holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise HostError("making a network namespace", answer=f"{holder[0]}: {error.strerror}") from error
    with process:  # closes the pipes first, which ends it, and waits
        if piped(process.stdout).readline() != _READY:
            raise HostError("making a network namespace", answer="unshare failed", remedy="run it as root")
        yield f"/proc/{process.pid}/ns/net"


def _run(command: Sequence[str], attempted: str, timeout: float) -> str:
    """Standard output.  Raises HostError with the tool's last words."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, errors="replace"
        )
    except OSError as error:
        raise HostError(attempted, answer=f"{command[0]}: {error.strerror}") from error
    with process, _ended(process):
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise HostError(attempted, answer=f"{command[0]} did not end within {timeout:.0f} s") from error
    if process.returncode:
        last = "; ".join(line for line in (output + errors).splitlines() if line.strip())[-400:]
        raise HostError(attempted, answer=f"{command[0]} exits with {process.returncode}: {last}")
    return output


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever ends the block ends the process too: it is asked first, so that it can undo what it began."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.communicate(timeout=_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
