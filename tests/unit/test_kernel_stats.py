# SPDX-License-Identifier: Apache-2.0
"""KVM's binary statistics."""

import struct
from pathlib import Path

import pytest

from midway.errors import KernelError
from midway.kernel.stats import Stats
from midway.kernel.syscalls import Linux
from midway.uapi import kvm
from unit.fakes import FakeKernel

NAME_SIZE = 48


def descriptor(name: str, offset: int, size: int = 1) -> bytes:
    return bytes(kvm.STATS_DESC.pack(offset=offset, size=size)) + name.encode().ljust(NAME_SIZE, b"\0")


def file_of(*descriptors: bytes, data: bytes) -> bytes:
    start = kvm.STATS_HEADER.size + NAME_SIZE
    table = b"".join(descriptors)
    header = kvm.STATS_HEADER.pack(
        name_size=NAME_SIZE,
        num_desc=len(descriptors),
        id_offset=kvm.STATS_HEADER.size,
        desc_offset=start,
        data_offset=start + len(table),
    )
    return bytes(header) + b"kvm-1/vcpu-0".ljust(NAME_SIZE, b"\0") + table + data


def test_scalars_are_found_by_name_and_histograms_are_left_out() -> None:
    kernel = FakeKernel()
    fd = kernel.new_fd()
    data = struct.pack("=6Q", 1500, 1, 2, 3, 4, 26)
    kernel.contents[fd] = file_of(
        descriptor("exits", 0),
        descriptor("halt_wait_hist", 8, size=4),
        descriptor("hvc_exit_stat", 40),
        data=data,
    )
    with Stats(kernel, fd) as stats:
        assert stats.read() == {"exits": 1500, "hvc_exit_stat": 26}


def test_statistics_that_end_early_are_an_error() -> None:
    kernel = FakeKernel()
    fd = kernel.new_fd()
    kernel.contents[fd] = file_of(descriptor("exits", 0), data=b"\0\0")
    with Stats(kernel, fd) as stats, pytest.raises(KernelError, match="statistics"):
        stats.read()


def test_a_file_of_the_kernels_may_name_what_is_not_ascii(tmp_path: Path) -> None:
    smaps = tmp_path / "smaps"
    smaps.write_bytes("ffff0000-ffff1000 r--p 0 fe:00 1 /home/jürgen/lib.so\nPss: 4 kB\n".encode())
    assert "Pss: 4 kB" in Linux().read_file(str(smaps))
    smaps.write_bytes(b"410 (n\xfcchtern) S\n")
    assert Linux().read_file(str(smaps)).endswith(" S\n")
