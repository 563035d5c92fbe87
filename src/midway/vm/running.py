# SPDX-License-Identifier: Apache-2.0
"""The VMs that run on this host, and what they answer on their control sockets."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from midway.config import InterruptMode
from midway.errors import DeviceError, HostError
from midway.host.sysfs import HostFiles

__all__ = ["LineStatus", "RunningVm", "VmStatus", "running_vms", "vm_with"]

_PATIENCE = 10.0  # seconds for an answer
_LONGEST_ANSWER = 1 << 22


class LineStatus(msgspec.Struct, frozen=True):
    """As vm.marks.LineCount."""

    device: str
    line: int
    spi: int
    mode: InterruptMode
    host: int | None
    handled: int
    forwarded: int | None = None


class DeviceStatus(msgspec.Struct, frozen=True):
    name: str
    dma: str
    lines: tuple[LineStatus, ...]


class VmStatus(msgspec.Struct, frozen=True):
    """`seconds` since the guest's first instruction; `memory` in MiB; `vcpus` are the ids of the threads."""

    pid: int
    seconds: float
    memory: int
    vcpus: tuple[int, ...]
    devices: tuple[DeviceStatus, ...]

    def lines_of(self, device: str) -> tuple[LineStatus, ...]:
        return tuple(line for found in self.devices if found.name == device for line in found.lines)


class RunningVm(msgspec.Struct, frozen=True):
    """One VM by its control socket's file."""

    path: Path

    def ask(self, request: str, **arguments: object) -> Any:
        """What the VM answers.  Raises HostError with what it refuses, or when it is gone."""
        attempted = f"asking the VM at {self.path} for {request}"
        data = b""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(_PATIENCE)
                client.connect(str(self.path))
                client.sendall(json.dumps({"request": request, **arguments}).encode() + b"\n")
                while not data.endswith(b"\n") and len(data) <= _LONGEST_ANSWER:
                    received = client.recv(1 << 16)
                    if not received:
                        break
                    data += received
        except OSError as error:
            raise HostError(attempted, answer=error.strerror or str(error)) from error
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise HostError(
                attempted, answer="no answer came; only root and the VM's user get one"
            ) from error
        if "error" in answer:
            raise HostError(attempted, answer=answer["error"])
        return answer["answer"]

    def status(self) -> VmStatus:
        return msgspec.convert(self.ask("status"), VmStatus)


def running_vms(files: HostFiles | None = None) -> Iterator[RunningVm]:
    """The VMs that answer; what killed ones left behind is passed over."""
    from midway.vm.control import is_alive

    directory = (files or HostFiles()).run / "midway" / "vms"
    try:
        found = sorted(directory.glob("*.sock"))
    except PermissionError as error:
        raise HostError("looking for running VMs", answer=error.strerror, remedy="run it as root") from error
    yield from (RunningVm(path) for path in found if is_alive(path))


def vm_with(device: str, files: HostFiles | None = None) -> tuple[RunningVm, VmStatus]:
    """The VM that a device is passed to.  Raises DeviceError when no running one has it."""
    for vm in running_vms(files):
        try:
            status = vm.status()
        except HostError:
            continue  # it has ended meanwhile
        if any(found.name == device for found in status.devices):
            return vm, status
    raise DeviceError("looking for its VM", device=device, answer="no running VM has it")
