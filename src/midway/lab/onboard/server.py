# SPDX-License-Identifier: Apache-2.0
"""Runs commands and moves files for the machine that emulates this board, over one virtio-serial port.

One thread and one selector.  Writing to the channel may block: the other side always reads, and a command
whose output has to wait simply waits.  Nothing else here blocks.  Standard library only.
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
import pty
import selectors
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

from midway.lab.frames import CHANNEL_NAME, CHUNK, Frame, FrameDecoder, Kind, encode

__all__ = ["BoardServer", "main"]

Send = Callable[[Frame], None]

_KVM_CREATE_VM = 0xAE01  # _IO(KVMIO, 1), include/uapi/linux/kvm.h


def _channel_device() -> Path:
    for name in Path("/sys/class/virtio-ports").glob("*/name"):  # a console's port has none
        if name.read_text().strip() == CHANNEL_NAME:
            return Path("/dev") / name.parent.name
    raise SystemExit(f"this board has no virtio-serial port called {CHANNEL_NAME}")


def _environment() -> dict[str, str]:
    """What commands start with: this process's, except that they see the whole of Midway."""
    return os.environ | {"PYTHONPATH": "/opt/midway/python"}


def _set_size(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class _Command:
    """One running command, its pipes or terminal registered with the selector."""

    def __init__(
        self, request: int, order: dict[str, object], selector: selectors.BaseSelector, send: Send
    ) -> None:
        self._request = request
        self._selector = selector
        self._send = send
        self._input_pending = bytearray()
        self._input_ends = False
        self._outputs: dict[int, Kind] = {}
        self._terminal: int | None = None
        self._exit_seen = False
        self.finished = False
        argv = order["argv"]
        environment = order["env"]
        assert isinstance(argv, list)  # noqa: S101  (the type of what our own side sent)
        assert isinstance(environment, dict)  # noqa: S101
        size = order["terminal"]
        if isinstance(size, list):
            self._start_on_terminal(argv, environment, str(order["cwd"]), (int(size[0]), int(size[1])))
        else:
            self._start_on_pipes(argv, environment, str(order["cwd"]))
        self._pidfd = os.pidfd_open(self._process.pid)
        selector.register(self._pidfd, selectors.EVENT_READ, self._on_exit)

    def _start_on_pipes(self, argv: list[str], environment: dict[str, str], cwd: str) -> None:
        self._process = subprocess.Popen(
            argv,
            env=_environment() | environment,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        process = self._process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018
        self._input: int | None = os.dup(process.stdin.fileno())
        process.stdin.close()
        os.set_blocking(self._input, False)
        for stream, kind in ((process.stdout, Kind.OUTPUT), (process.stderr, Kind.ERROR)):
            self._watch_output(os.dup(stream.fileno()), kind)
            stream.close()

    def _start_on_terminal(
        self, argv: list[str], environment: dict[str, str], cwd: str, size: tuple[int, int]
    ) -> None:
        controller, terminal = pty.openpty()
        try:
            _set_size(terminal, *size)
            self._process = subprocess.Popen(
                ["setsid", "--ctty", "--wait", *argv],
                env=_environment() | environment,
                cwd=cwd,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
            )
        finally:
            os.close(terminal)
        os.set_blocking(controller, False)
        self._terminal = controller
        self._input = os.dup(controller)
        self._watch_output(controller, Kind.OUTPUT)

    def _watch_output(self, descriptor: int, kind: Kind) -> None:
        self._outputs[descriptor] = kind
        self._selector.register(descriptor, selectors.EVENT_READ, lambda: self._on_output(descriptor))

    def _on_output(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal's way of saying end of file
                raise
            data = b""
        if data:
            self._send(Frame(self._outputs[descriptor], self._request, data))
            return
        self._selector.unregister(descriptor)
        del self._outputs[descriptor]
        if descriptor == self._terminal:
            self._terminal = None
        os.close(descriptor)
        self._finish_if_complete()

    def _on_exit(self) -> None:
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        self._process.wait()
        self._exit_seen = True
        self._finish_if_complete()

    def _finish_if_complete(self) -> None:
        # As a shell would: output of background children that keep the pipe is still output of the command.
        if not self._exit_seen or self._outputs:
            return
        self._close_input()
        self._send(Frame(Kind.EXIT, self._request, str(self._process.returncode).encode()))
        self.finished = True

    def feed(self, data: bytes) -> None:
        if self._input is None:
            return
        if data:
            self._input_pending += data
        else:
            self._input_ends = True
        self._write_input()

    def _write_input(self) -> None:
        if self._input is None:
            return
        try:
            while self._input_pending:
                written = os.write(self._input, self._input_pending[:CHUNK])
                del self._input_pending[:written]
        except BlockingIOError:
            if self._input not in self._selector.get_map():
                self._selector.register(self._input, selectors.EVENT_WRITE, self._write_input)
            return
        except OSError:  # the command closed its input: what is left has nowhere to go
            self._close_input()
            return
        if self._input in self._selector.get_map():
            self._selector.unregister(self._input)
        if self._input_ends:
            self._close_input()

    def _close_input(self) -> None:
        if self._input is None:
            return
        if self._input in self._selector.get_map():
            self._selector.unregister(self._input)
        os.close(self._input)
        self._input = None

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def resize(self, rows: int, columns: int) -> None:
        if self._terminal is not None:
            _set_size(self._terminal, rows, columns)


class BoardServer:
    """Answers frames on `channel`, an open descriptor of the port, until the other side goes away."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._selector = selectors.DefaultSelector()
        self._commands: dict[int, _Command] = {}
        self._uploads: dict[int, int] = {}

    def _send(self, frame: Frame) -> None:
        data = memoryview(encode(frame))
        while data:
            data = data[os.write(self._channel, data) :]

    def _fail(self, request: int, error: OSError) -> None:
        answer = {"errno": error.errno, "message": str(error)}
        self._send(Frame(Kind.FAILED, request, json.dumps(answer).encode()))

    def serve(self) -> None:
        decoder = FrameDecoder()
        open_channel = True

        def on_channel() -> None:
            nonlocal open_channel
            data = os.read(self._channel, CHUNK)
            open_channel = bool(data)
            for frame in decoder.feed(data):
                self._handle(frame)

        self._selector.register(self._channel, selectors.EVENT_READ, on_channel)
        about = {"kernel": platform.release(), "python": platform.python_version()}
        self._send(Frame(Kind.READY, 0, json.dumps(about).encode()))
        while open_channel:
            for key, _ in self._selector.select():
                key.data()
            for request in [number for number, command in self._commands.items() if command.finished]:
                del self._commands[request]

    def _handle(self, frame: Frame) -> None:
        try:
            match frame.kind:
                case Kind.START:
                    order = json.loads(frame.payload)
                    self._commands[frame.request] = _Command(frame.request, order, self._selector, self._send)
                case Kind.INPUT if command := self._commands.get(frame.request):
                    command.feed(frame.payload)
                case Kind.SIGNAL if command := self._commands.get(frame.request):
                    command.signal(int(frame.payload))
                case Kind.RESIZE if command := self._commands.get(frame.request):
                    command.resize(*json.loads(frame.payload))
                case Kind.UPLOAD:
                    self._begin_upload(frame)
                case Kind.CONTENT if frame.request in self._uploads:
                    self._continue_upload(frame)
                case Kind.DOWNLOAD:
                    self._download(frame)
                case Kind.PING:
                    self._send(Frame(Kind.PONG, frame.request))
        except OSError as error:
            self._fail(frame.request, error)

    def _begin_upload(self, frame: Frame) -> None:
        order = json.loads(frame.payload)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(order["path"], flags, order["mode"])
        self._uploads[frame.request] = descriptor
        os.fchmod(descriptor, order["mode"])

    def _continue_upload(self, frame: Frame) -> None:
        descriptor = self._uploads[frame.request]
        data = memoryview(frame.payload)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        except OSError:
            del self._uploads[frame.request]
            os.close(descriptor)
            raise
        if not frame.payload:
            del self._uploads[frame.request]
            os.close(descriptor)
            self._send(Frame(Kind.DONE, frame.request))

    def _download(self, frame: Frame) -> None:
        with Path(json.loads(frame.payload)["path"]).open("rb") as file:
            while data := file.read(CHUNK):
                self._send(Frame(Kind.DATA, frame.request, data))
        self._send(Frame(Kind.DONE, frame.request))


def _keep_a_vm() -> None:
    """Have an empty VM for as long as this process lives, where there is KVM.

    The kernel patches its scheduler when the first VM comes and when the last one goes
    (preempt_notifier_inc), and this emulator may go on with the old code (docs/lab.md).  A vCPU's thread then
    changes processors without its guest's timer and interrupts.
    """
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    fcntl.ioctl(kvm, _KVM_CREATE_VM, 0)


def main() -> None:
    _keep_a_vm()
    channel = os.open(_channel_device(), os.O_RDWR | os.O_CLOEXEC)
    BoardServer(channel).serve()


if __name__ == "__main__":
    main()
