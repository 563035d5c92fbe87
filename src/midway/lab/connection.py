# SPDX-License-Identifier: Apache-2.0
"""This machine's side of the result channel: commands and files on a board, several at once."""

import contextlib
import json
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from midway.errors import BoardLostError, LabError
from midway.lab.frames import CHUNK, Frame, FrameDecoder, Kind, ProtocolError, encode

__all__ = ["BoardConnection", "Completed", "Process"]

_SILENCE = 120.0  # seconds; the server answers within one, on a busy machine within a few
_ENDED = "the emulator has ended"
_LAST_OF_A_REQUEST = (Kind.EXIT, Kind.FAILED, Kind.DONE, Kind.READY)


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command left: its exit status (negative: killed by that signal) and all of its output."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class _Lost:
    """Put into every request's queue when the channel is gone."""

    reason: str


class Process:
    """A command that runs on the board.  Its frames must be consumed with `frames`, `lines` or
    `communicate`.
    """

    def __init__(self, connection: "BoardConnection", request: int, argv: Sequence[str]) -> None:
        self._connection = connection
        self._request = request
        self.argv = tuple(argv)
        self.status: int | None = None

    def write(self, data: bytes) -> None:
        """Send `data` to the command's standard input."""
        for start in range(0, len(data), CHUNK):
            self._connection.send(Frame(Kind.INPUT, self._request, data[start : start + CHUNK]))

    def close_input(self) -> None:
        self._connection.send(Frame(Kind.INPUT, self._request))

    def signal(self, number: int) -> None:
        """Signal the command's process group; nothing happens when it has ended."""
        self._connection.send(Frame(Kind.SIGNAL, self._request, str(int(number)).encode()))

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the command's terminal."""
        self._connection.send(Frame(Kind.RESIZE, self._request, json.dumps([rows, columns]).encode()))

    def frames(self, timeout: float | None = None) -> Iterator[Frame]:
        """OUTPUT and ERROR frames as they come, until the command has ended and `status` is set.

        `timeout` is in seconds, for the whole of it; TimeoutError leaves the command running.
        """
        for frame in self._connection.receive(self._request, timeout):
            if frame.kind is Kind.EXIT:
                self.status = int(frame.payload)
                return
            if frame.kind is Kind.FAILED:
                raise LabError(
                    f"cannot run {self.argv[0]} on the board", answer=json.loads(frame.payload)["message"]
                )
            yield frame

    def lines(self, timeout: float | None = None) -> Iterator[str]:
        """Lines of standard output as they come, without their ends; standard error is dropped."""
        pending = b""
        for frame in self.frames(timeout):
            if frame.kind is Kind.OUTPUT:
                *complete, pending = (pending + frame.payload).split(b"\n")
                yield from (line.decode(errors="replace") for line in complete)
        if pending:
            yield pending.decode(errors="replace")

    def communicate(self, timeout: float | None = None) -> Completed:
        """Wait for the end and gather the output."""
        output: dict[Kind, list[bytes]] = {Kind.OUTPUT: [], Kind.ERROR: []}
        for frame in self.frames(timeout):
            output[frame.kind].append(frame.payload)
        if self.status is None:
            raise LabError(f"no exit status of {self.argv[0]} came back from the board")
        return Completed(self.argv, self.status, b"".join(output[Kind.OUTPUT]), b"".join(output[Kind.ERROR]))

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, drop the output, and return the exit status (negative: a signal)."""
        return self.communicate(timeout).status


class BoardConnection:
    """Requests to a board over a connected socket.

    `lost` makes, from a reason, the error that every pending and later request raises once the channel has
    ended or has been silent for too long.
    """

    def __init__(self, channel: socket.socket, lost: Callable[[str], BoardLostError]) -> None:
        self._channel = channel
        self._channel.settimeout(_SILENCE)
        self._make_lost = lost
        self._lost: str | None = None
        self._closing = threading.Event()
        self._sending = threading.Lock()
        self._requests = threading.Lock()
        self._next_request = 1
        self._queues: dict[int, queue.SimpleQueue[Frame | _Lost]] = {0: queue.SimpleQueue()}
        self._reader = threading.Thread(target=self._read, name="lab-channel", daemon=True)
        self._reader.start()
        self._pinger = threading.Thread(target=self._ping, name="lab-ping", daemon=True)
        self._pinger.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)  # wakes the reader, which a mere close would not
        self._pinger.join()
        self._reader.join()
        self._channel.close()

    @property
    def is_lost(self) -> bool:
        return self._lost is not None

    def wait_until_ready(self) -> Mapping[str, str]:
        """Wait for the board's server; what it says of the board."""
        ready = next(self.receive(0, None))
        about: Mapping[str, str] = json.loads(ready.payload)
        return about

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/root",
        terminal: tuple[int, int] | None = None,
    ) -> Process:
        """Start a command; with `terminal` (rows, columns) it gets a terminal of its own instead of pipes."""
        request = self._new_request()
        order = {"argv": list(argv), "env": dict(env or {}), "cwd": cwd, "terminal": terminal}
        self.send(Frame(Kind.START, request, json.dumps(order).encode()))
        return Process(self, request, argv)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float | None = None,
        check: bool = False,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str = "/root",
    ) -> Completed:
        """Run a command to its end.

        With `check`, an exit status other than 0 raises LabError with the last lines of its output.  After
        `timeout` seconds the command is killed and TimeoutError raised.
        """
        process = self.start(argv, env=env, cwd=cwd)
        process.write(stdin)
        process.close_input()
        try:
            done = process.communicate(timeout)
        except TimeoutError:
            process.signal(9)
            raise
        if check and done.status:
            said = (done.stdout + done.stderr).decode(errors="replace").splitlines()[-8:]
            command = " ".join(done.argv)
            raise LabError(
                f"on the board: {command}: exit status {done.status}", answer="\n".join(said) or None
            )
        return done

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file on the board.  Raises LabError with the board's answer."""
        request = self._new_request()
        self.send(Frame(Kind.UPLOAD, request, json.dumps({"path": path, "mode": mode}).encode()))
        for start in range(0, len(content), CHUNK):
            self.send(Frame(Kind.CONTENT, request, content[start : start + CHUNK]))
        self.send(Frame(Kind.CONTENT, request))
        self._file_content(request, f"cannot write {path} on the board")

    def get(self, path: str) -> bytes:
        """Read a file of the board.  Raises LabError with the board's answer."""
        request = self._new_request()
        self.send(Frame(Kind.DOWNLOAD, request, json.dumps({"path": path}).encode()))
        return self._file_content(request, f"cannot read {path} on the board")

    def send(self, frame: Frame) -> None:
        if self._lost is not None:
            raise self._make_lost(self._lost)
        try:
            with self._sending:
                self._channel.sendall(encode(frame))
        except OSError as error:
            self._mark_lost(_reason(error))
            raise self._make_lost(_reason(error)) from error

    def receive(self, request: int, timeout: float | None) -> Iterator[Frame]:
        """The frames of one request as they come, until one that says it is over; `timeout` in seconds for
        all.
        """
        frames = self._queues[request]
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                frame = frames.get(timeout=left)
            except queue.Empty:
                raise TimeoutError(f"no answer from the board within {timeout} s") from None
            if isinstance(frame, _Lost):
                frames.put(frame)  # for whoever asks again
                raise self._make_lost(frame.reason)
            over = frame.kind in _LAST_OF_A_REQUEST
            if over:
                del self._queues[request]
            yield frame
            if over:
                return

    def _file_content(self, request: int, what: str) -> bytes:
        parts = []
        for frame in self.receive(request, None):
            if frame.kind is Kind.FAILED:
                raise LabError(what, answer=json.loads(frame.payload)["message"])
            if frame.kind is Kind.DONE:
                break
            parts.append(frame.payload)
        return b"".join(parts)

    def _new_request(self) -> int:
        with self._requests:
            if self._lost is None:
                request = self._next_request
                self._next_request += 1
                self._queues[request] = queue.SimpleQueue()
                return request
            reason = self._lost
        raise self._make_lost(reason)

    def _ping(self) -> None:
        # A board that is alive answers; so one that says nothing for _SILENCE seconds is not.
        while not self._closing.wait(_SILENCE / 8):
            try:
                with self._sending:
                    self._channel.sendall(encode(Frame(Kind.PING, 0)))
            except OSError as error:
                self._mark_lost(_reason(error))
                return

    def _read(self) -> None:
        decoder = FrameDecoder()
        reason = _ENDED
        try:
            while data := self._channel.recv(CHUNK):
                for frame in decoder.feed(data):
                    if frame.kind is not Kind.PONG and (frames := self._queues.get(frame.request)):
                        frames.put(frame)
        except (OSError, ProtocolError) as error:
            reason = _reason(error)
        self._mark_lost(reason)

    def _mark_lost(self, reason: str) -> None:
        with self._requests:
            if self._lost is None:
                self._lost = reason
                for frames in list(self._queues.values()):  # whoever has its answer takes its queue away
                    frames.put(_Lost(reason))


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"it has not answered for {_SILENCE:.0f} s"
    if isinstance(error, ConnectionError):
        return _ENDED
    return f"its channel failed: {error}"
