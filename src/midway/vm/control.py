# SPDX-License-Identifier: Apache-2.0
"""The control socket of a running VM: one JSON object a line, asked and answered.

``{"request": "status"}`` is answered by ``{"answer": …}`` or ``{"error": …}``.  The socket is a file of
``/run/midway/vms`` and gone with the VM; the file of a VM that was killed is left behind, but nobody listens.
"""

import os
import socket
import stat
import struct
import threading
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import msgspec

from midway.board.plan import MachinePlan
from midway.config import InterruptMode
from midway.errors import HostError, MidwayError
from midway.vm.marks import Snapshot
from midway.vm.threads import start_thread

__all__ = ["LONGEST_LINE", "ControlSocket", "Controlled", "is_alive"]

LONGEST_LINE = 4096  # bytes of a request, without its newline
_SILENCE = 2.0  # seconds after which a client that says nothing is hung up
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_BACKLOG = 8


class Controlled(Protocol):
    """What can be controlled: vm.machine.Machine is one."""

    @property
    def plan(self) -> MachinePlan: ...

    @property
    def tasks(self) -> tuple[int, ...]: ...

    def snapshot(self, label: int) -> Snapshot: ...

    def set_interrupt_mode(self, device: str, line: int, mode: InterruptMode) -> None: ...

    def stop(self) -> None: ...


class _Status(msgspec.Struct, tag_field="request", tag="status", forbid_unknown_fields=True):
    pass


class _Counters(msgspec.Struct, tag_field="request", tag="counters", forbid_unknown_fields=True):
    pass


class _SetMode(msgspec.Struct, tag_field="request", tag="set-mode", forbid_unknown_fields=True):
    device: str
    mode: InterruptMode
    line: int = 0


class _Stop(msgspec.Struct, tag_field="request", tag="stop", forbid_unknown_fields=True):
    pass


_Request: TypeAlias = _Status | _Counters | _SetMode | _Stop
_DECODER: "msgspec.json.Decoder[_Request]" = msgspec.json.Decoder(_Request)


class ControlSocket:
    """Answers while the context lasts, in a thread of its own, one client at a time.

    Only root and the user the VM runs as are answered.  Entering raises HostError when the socket cannot be
    made; `directory` is made where it is missing, for its owner alone.
    """

    def __init__(self, machine: Controlled, directory: Path) -> None:
        self._machine = machine
        self._directory = directory
        self._resources = ExitStack()
        self._stopping = threading.Event()
        self.path = directory

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            try:
                # `parents` alone would leave those to the umask, and others could put a link in our place.
                self._directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._directory.mkdir(mode=0o700, exist_ok=True)
                self._check_ours()
                self._directory.chmod(0o700)
                self._listen(resources)
            except OSError as error:
                raise HostError(
                    "making the VM's control socket", answer=f"{self._directory}: {error.strerror}"
                ) from error
            thread = start_thread("control", self._serve)
            resources.callback(thread.join)
            resources.callback(self._wake)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def _check_ours(self) -> None:
        state = self._directory.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.geteuid():
            raise HostError(
                "making the VM's control socket",
                answer=f"{self._directory} is no directory of this user",
                remedy="remove it",
            )

    def _listen(self, resources: ExitStack) -> None:
        self._socket = resources.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        for path in self._directory.glob("*.sock"):
            if not is_alive(path):
                path.unlink(missing_ok=True)
        # It gets its name when it listens: nobody may take it for one that was left behind.
        unready = self._directory / f".{os.getpid()}-{os.urandom(4).hex()}"
        self._socket.bind(str(unready))
        try:
            self._socket.listen(_BACKLOG)
            for number in count():  # one process may run several VMs
                self.path = self._directory / f"{os.getpid()}{f'-{number}' if number else ''}.sock"
                with suppress(FileExistsError):
                    os.link(unready, self.path)
                    break
        finally:
            unready.unlink()
        resources.callback(self.path.unlink, missing_ok=True)

    def _wake(self) -> None:
        """End the thread, wherever it waits: no connection is accepted or read from any more."""
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:
                return  # shut down
            with client, suppress(OSError):  # the client may go at any time
                client.settimeout(_SILENCE)
                if _may_control(client):
                    self._converse(client)

    def _converse(self, client: socket.socket) -> None:
        pending = b""
        while not self._stopping.is_set():
            line, end, rest = pending.partition(b"\n")
            if len(line) > LONGEST_LINE:
                client.sendall(_error(f"a request has at most {LONGEST_LINE} bytes"))
                return
            if end:
                client.sendall(self._answered(line))
                pending = rest
                continue
            received = client.recv(LONGEST_LINE)
            if not received:
                return
            pending += received

    def _answered(self, line: bytes) -> bytes:
        try:
            request = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors, as is wrong UTF-8
            return _error(f"no request: {error}")
        try:
            answer = self._answer(request)
        except MidwayError as error:
            return _error(str(error))
        except Exception as error:  # noqa: BLE001 - without this thread nobody could ask any more
            return _error(f"answering failed: {error!r}")
        return msgspec.json.encode({"answer": answer}) + b"\n"

    def _answer(self, request: _Request) -> Any:
        match request:
            case _Counters():
                return self._machine.snapshot(-1).as_json()
            case _SetMode(device, mode, number):
                self._machine.set_interrupt_mode(device, number, mode)
                return {}
            case _Stop():
                self._machine.stop()
                return {}
        return self._status()

    def _status(self) -> dict[str, Any]:
        plan, now = self._machine.plan, self._machine.snapshot(-1)
        return {
            "pid": os.getpid(),
            "seconds": round(now.seconds, 3),
            "memory": plan.config.memory,
            "vcpus": list(self._machine.tasks),
            "devices": [
                {
                    "name": device.device.name,
                    "dma": str(device.dma.kind),
                    "lines": [
                        msgspec.structs.asdict(line)
                        for line in now.lines
                        if line.device == device.device.name
                    ],
                }
                for device in plan.devices
            ],
        }


def is_alive(path: Path) -> bool:
    """Whether somebody listens at a control socket's file; nobody does when its VM was killed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_SILENCE)
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # busy, or not ours to ask
    return True


def _may_control(client: socket.socket) -> bool:
    data = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(data)
    return user in (0, os.geteuid())


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text}) + b"\n"
