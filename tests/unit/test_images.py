# SPDX-License-Identifier: Apache-2.0
"""Kernels and initrds: what a file is, and its way into the guest's RAM."""

import gzip
import os
import struct
from pathlib import Path

import pytest

from midway.board.images import KernelImage, file_size, inspect_kernel, load_file, load_kernel
from midway.errors import ImageError


def arm64_image(*, text_offset: int = 0, size: int = 0x10000, flags: int = 0xA, body: bytes = b"") -> bytes:
    header = struct.pack("<IIQQQ24x4sI", 0x91005A4D, 0x14000000, text_offset, size, flags, b"ARM\x64", 0x40)
    return header + body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vmlinuz"


def test_an_image_says_where_it_wants_to_be_and_how_much_it_needs(path: Path) -> None:
    path.write_bytes(arm64_image(text_offset=0x80000, size=0x123000))
    assert inspect_kernel(path) == KernelImage(path, 0x80000, 0x123000, compressed=False)


def test_an_image_older_than_its_size_field_has_the_old_offset(path: Path) -> None:
    path.write_bytes(arm64_image(text_offset=0, size=0, body=bytes(1000)))
    found = inspect_kernel(path)
    assert (found.text_offset, found.size) == (0x80000, 1064)


def test_a_gzipped_image_is_looked_into_and_loaded(path: Path) -> None:
    image = arm64_image(size=0x300000, body=bytes(range(256)) * 8000)
    path.write_bytes(gzip.compress(image))
    found = inspect_kernel(path)
    assert found.compressed
    room = bytearray(found.size)
    assert load_kernel(found, memoryview(room)) == len(image)
    assert room[: len(image)] == image


def test_gzip_in_several_members_is_one_kernel(path: Path) -> None:
    image = arm64_image(size=0x10000, body=b"x" * 5000)
    path.write_bytes(gzip.compress(image[:3000]) + gzip.compress(image[3000:]) + b"\0" * 512)
    room = bytearray(0x10000)
    assert load_kernel(inspect_kernel(path), memoryview(room)) == len(image)
    assert room[: len(image)] == image


def test_a_gzip_bomb_is_stopped_at_the_end_of_its_room(path: Path) -> None:
    path.write_bytes(gzip.compress(arm64_image(size=0x10000, body=bytes(64 << 20))))
    with pytest.raises(ImageError, match="larger than the 64 KiB"):
        load_kernel(inspect_kernel(path), memoryview(bytearray(0x10000)))


def test_a_gzip_file_cut_short_is_an_error(path: Path) -> None:
    compressed = gzip.compress(arm64_image(body=bytes(range(256)) * 100))
    path.write_bytes(compressed[:-50])
    with pytest.raises(ImageError, match="ends early"):
        load_kernel(inspect_kernel(path), memoryview(bytearray(0x10000)))


def test_damaged_gzip_is_an_error(path: Path) -> None:
    path.write_bytes(b"\x1f\x8b\x08\0" + b"\xff" * 100)
    with pytest.raises(ImageError, match="decompressing"):
        inspect_kernel(path)


def elf(machine: int) -> bytes:
    return b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HH", 2, machine) + bytes(100)


@pytest.mark.parametrize(
    ("content", "found", "remedy"),
    [
        (b"", "an empty file", "Image"),
        (b"MZ" + bytes(0x200) + b"HdrS" + bytes(100), "an x86 bzImage", "arm64 kernel"),
        (b"MZ\0\0zimg" + bytes(100), "an EFI zboot image", "CONFIG_EFI_ZBOOT"),
        (b"MZ" + bytes(100), "an EFI program", "Image"),
        (elf(0x3E), "an ELF file for x86-64", "arm64 kernel"),
        (elf(0xB7), "an ELF file for arm64", "arch/arm64/boot/Image"),
        (b"\xfd7zXZ\0" + bytes(100), "compressed with xz", "decompress"),
        (b"\x27\x05\x19\x56" + bytes(100), "a U-Boot uImage", "Image"),
        (b"#!/bin/sh\n" + bytes(100), "begins with 23212f62696e2f73", "Image"),
        (gzip.compress(b"070701" + bytes(1000), mtime=0), "gzip of a file that begins with", "Image"),
        (gzip.compress(elf(0x3E), mtime=0), "gzip of an ELF file for x86-64", "arm64 kernel"),
    ],
)
def test_what_is_no_arm64_image_is_named_with_a_remedy(
    path: Path, content: bytes, found: str, remedy: str
) -> None:
    path.write_bytes(content)
    with pytest.raises(ImageError, match=found) as caught:
        inspect_kernel(path)
    assert remedy in str(caught.value)


def test_a_big_endian_kernel_is_refused(path: Path) -> None:
    path.write_bytes(arm64_image(flags=1))
    with pytest.raises(ImageError, match="big-endian"):
        inspect_kernel(path)


def test_a_missing_kernel_is_named(path: Path) -> None:
    with pytest.raises(ImageError, match=r"vmlinuz: No such file"):
        inspect_kernel(path)


def test_a_file_is_read_into_the_room_it_has(path: Path) -> None:
    path.write_bytes(b"initrd" * 1000)
    room = bytearray(6004)
    assert load_file(path, memoryview(room), what="initrd") == 6000
    assert room == b"initrd" * 1000 + bytes(4)
    assert file_size(path, what="initrd") == 6000


def test_a_file_that_has_grown_beyond_its_room_is_an_error(path: Path) -> None:
    path.write_bytes(bytes(101))
    with pytest.raises(ImageError, match="loading initrd"):
        load_file(path, memoryview(bytearray(100)), what="initrd")


@pytest.mark.parametrize("what", ["kernel", "initrd"])
def test_a_pipe_is_refused_and_not_waited_for(path: Path, what: str) -> None:
    os.mkfifo(path)
    with pytest.raises(ImageError, match=f"reading {what} .*: it is no regular file"):
        inspect_kernel(path) if what == "kernel" else file_size(path, what=what)


def test_a_directory_is_no_initrd(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"reading initrd .*: Is a directory"):
        file_size(tmp_path, what="initrd")
