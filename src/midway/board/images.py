# SPDX-License-Identifier: Apache-2.0
"""Kernels and initrds: what a file is, and how it gets into the guest's RAM without a second copy.

The arm64 Image header is Documentation/arm64/booting.rst.
"""

import errno
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import msgspec

from midway.errors import ImageError

__all__ = ["HEADER_SIZE", "KernelImage", "file_size", "inspect_kernel", "load_file", "load_kernel"]

HEADER_SIZE = 64
_HEADER = struct.Struct("<IIQQQ24x4sI")
_MAGIC = b"ARM\x64"
_PROBE = 4096
_CHUNK = 1 << 20
_OLD_TEXT_OFFSET = 0x80000  # where image_size is 0: kernels before 3.17
_BIG_ENDIAN = 1 << 0
_X86_MAGIC = b"HdrS"
_X86_MAGIC_OFFSET = 0x202
_ZBOOT_MAGIC = b"zimg"
_COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x5d\0\0": "lzma",
}
_ELF_ARM64 = 0xB7
_ELF_MACHINES = {0x3E: "x86-64", 0x03: "x86", 0x28: "32-bit Arm", _ELF_ARM64: "arm64", 0xF3: "RISC-V"}
_OTHERS = {b"\x27\x05\x19\x56": "a U-Boot uImage", b"\xd0\x0d\xfe\xed": "a device tree or FIT image"}


class KernelImage(msgspec.Struct, frozen=True):
    """`text_offset` from a 2 MiB boundary, `size` what it occupies in RAM from there, both in bytes."""

    path: Path
    text_offset: int
    size: int
    compressed: bool


def inspect_kernel(path: Path) -> KernelImage:
    """What must be known before the guest's memory is laid out.  Raises ImageError."""
    length = file_size(path, what="kernel")
    try:
        with path.open("rb") as file:
            start = file.read(_PROBE)
    except OSError as error:
        raise ImageError(f"reading kernel {path}", answer=error.strerror) from error
    compressed = start.startswith(b"\x1f\x8b")
    if compressed:
        start = _first_bytes(path, start)
    if len(start) < HEADER_SIZE or start[56:60] != _MAGIC:
        found, remedy = _describe(start)
        inside = "gzip of " if compressed else ""
        raise ImageError(
            f"booting kernel {path}", answer=f"no arm64 Image but {inside}{found}", remedy=remedy
        )
    _, _, text_offset, size, flags, _, _ = _HEADER.unpack_from(start)
    if flags & _BIG_ENDIAN:
        raise ImageError(f"booting kernel {path}", answer="it is big-endian", remedy="build it little-endian")
    if size == 0:
        text_offset, size = _OLD_TEXT_OFFSET, length
    return KernelImage(path=path, text_offset=text_offset, size=size, compressed=compressed)


def load_kernel(image: KernelImage, room: memoryview) -> int:
    """Read or decompress the kernel into `room`; how many bytes it has.  Raises ImageError."""
    if not image.compressed:
        return load_file(image.path, room, what="kernel")
    try:
        with image.path.open("rb") as file:
            return _decompress(file, room, image.path)
    except OSError as error:
        raise ImageError(f"reading kernel {image.path}", answer=error.strerror) from error
    except zlib.error as error:
        raise ImageError(f"decompressing kernel {image.path}", answer=str(error)) from error


def load_file(path: Path, room: memoryview, *, what: str) -> int:
    """Read a file into `room`; how many bytes it has.  Raises ImageError where it does not fit."""
    try:
        with path.open("rb", buffering=0) as file:
            done = 0
            while done < len(room):
                count = file.readinto(room[done:])
                if not count:
                    return done
                done += count
            if file.read(1):
                raise _too_big(path, what, len(room))
            return done
    except OSError as error:
        raise ImageError(f"reading {what} {path}", answer=error.strerror) from error


def file_size(path: Path, *, what: str) -> int:
    """Its size in bytes.  Raises ImageError, also for what has none: a pipe would be waited for for ever."""
    try:
        state = path.stat()
    except OSError as error:
        raise ImageError(f"reading {what} {path}", answer=error.strerror) from error
    if stat.S_ISDIR(state.st_mode):
        raise ImageError(f"reading {what} {path}", answer=os.strerror(errno.EISDIR))
    if not stat.S_ISREG(state.st_mode):
        raise ImageError(f"reading {what} {path}", answer="it is no regular file", remedy="copy it to one")
    return state.st_size


def _decompress(file: BinaryIO, room: memoryview, path: Path) -> int:
    """gzip, several members in a row allowed (RFC 1952), never further than `room`."""
    done = 0
    stream = zlib.decompressobj(wbits=31)
    data = file.read(_CHUNK)
    while data:
        piece = stream.decompress(data, min(_CHUNK, len(room) - done) + 1)
        if done + len(piece) > len(room):
            raise _too_big(path, "kernel", len(room))
        room[done : done + len(piece)] = piece
        done += len(piece)
        data = stream.unconsumed_tail
        if stream.eof:
            data = stream.unused_data
            if data.startswith(b"\x1f\x8b"):
                stream = zlib.decompressobj(wbits=31)
            else:  # padding, or the signature some boot loaders append
                return done
        data = data or file.read(_CHUNK)
    if not stream.eof:
        raise ImageError(f"decompressing kernel {path}", answer="the file ends early")
    return done


def _first_bytes(path: Path, start: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(start, _PROBE)
    except zlib.error as error:
        raise ImageError(f"decompressing kernel {path}", answer=str(error)) from error


def _too_big(path: Path, what: str, room: int) -> ImageError:
    return ImageError(
        f"loading {what} {path}",
        answer=f"it is larger than the {room >> 10} KiB there are for it",
        remedy="give the guest more memory",
    )


def _describe(start: bytes) -> tuple[str, str]:
    """(what a file is that is no arm64 Image, the remedy)."""
    other_kernel, other_file = "take an arm64 kernel", "take arch/arm64/boot/Image, or Debian's arm64 vmlinuz"
    if not start:
        return "an empty file", other_file
    if start[_X86_MAGIC_OFFSET : _X86_MAGIC_OFFSET + 4] == _X86_MAGIC:
        return "an x86 bzImage", other_kernel
    if start[:2] == b"MZ" and start[4:8] == _ZBOOT_MAGIC:
        return "an EFI zboot image", "build without CONFIG_EFI_ZBOOT, or take arch/arm64/boot/Image"
    if start[:2] == b"MZ":
        return "an EFI program", other_file
    if start[:4] == b"\x7fELF" and len(start) >= 20:
        machine = struct.unpack_from("<H", start, 18)[0]
        found = f"an ELF file for {_ELF_MACHINES.get(machine, f'machine {machine:#x}')}"
        return found, other_file if machine == _ELF_ARM64 else other_kernel
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            return name, other_file
    for magic, name in _COMPRESSIONS.items():
        if start.startswith(magic):
            return f"a file compressed with {name}", "decompress it first (only gzip is understood)"
    return f"a file that begins with {start[:8].hex()}", other_file
