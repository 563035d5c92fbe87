# SPDX-License-Identifier: Apache-2.0
"""The frames that travel over the result channel between this machine and an emulated board.

A frame is a header of nine bytes, little-endian (kind: u8, request: u32, length: u32), and `length` bytes of
payload. `request` is chosen by this machine and names one command, upload or download; frames of several
requests may interleave, those of one request keep their order.  Only the standard library is used: the board
imports this too.
"""

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "CHANNEL_NAME",
    "CHUNK",
    "MAXIMUM_PAYLOAD",
    "Frame",
    "FrameDecoder",
    "Kind",
    "ProtocolError",
    "encode",
]

CHANNEL_NAME = "org.midway.lab"  # the virtio-serial port's name
CHUNK = 64 * 1024  # bytes of output or file in one frame
MAXIMUM_PAYLOAD = 1024 * 1024

_HEADER = struct.Struct("<BII")


class ProtocolError(Exception):
    """The other side sent what cannot be a frame."""


class Kind(enum.IntEnum):
    # to the board
    START = 1  # JSON: argv, env, cwd, terminal ([rows, columns] or null)
    INPUT = 2  # bytes for standard input; empty: end of input
    SIGNAL = 3  # decimal signal number, to the command's process group
    RESIZE = 4  # JSON: [rows, columns]
    UPLOAD = 5  # JSON: path, mode; then CONTENT frames, the last one empty
    CONTENT = 6
    DOWNLOAD = 7  # JSON: path
    PING = 8
    # to this machine
    READY = 64  # JSON: what the board is; sent once, request 0
    OUTPUT = 65
    ERROR = 66  # bytes of standard error
    EXIT = 67  # decimal return code, negative: killed by that signal
    DATA = 68  # bytes of a downloaded file
    DONE = 69
    FAILED = 70  # JSON: errno, message
    PONG = 71


@dataclass(frozen=True, slots=True)
class Frame:
    kind: Kind
    request: int
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    if len(frame.payload) > MAXIMUM_PAYLOAD:
        raise ProtocolError(f"a {frame.kind.name} frame of {len(frame.payload)} bytes is too long")
    return _HEADER.pack(frame.kind, frame.request, len(frame.payload)) + frame.payload


class FrameDecoder:
    """Cuts a stream of bytes into frames, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._pending += data
        while len(self._pending) >= _HEADER.size:
            kind, request, length = _HEADER.unpack_from(self._pending)
            if length > MAXIMUM_PAYLOAD:
                raise ProtocolError(f"a frame claims {length} bytes")
            end = _HEADER.size + length
            if len(self._pending) < end:
                return
            payload = bytes(self._pending[_HEADER.size : end])
            del self._pending[:end]
            try:
                yield Frame(Kind(kind), request, payload)
            except ValueError as error:
                raise ProtocolError(f"unknown frame kind {kind}") from error
