# SPDX-License-Identifier: Apache-2.0
"""What the process costs."""

import os
import time

import pytest

from midway.kernel.memory import Block
from midway.kernel.syscalls import Linux
from midway.vm.footprint import process_start, resident_beside
from unit.fakes import FakeKernel

SMAPS = """\
00400000-00452000 r-xp 00000000 08:02 173521      /usr/bin/python3
Size:                328 kB
Rss:                 300 kB
Pss:                 100 kB
7f0000000000-7f0040200000 rw-p 00000000 00:00 0
Size:            1050624 kB
Rss:              524288 kB
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0   [stack]
Rss:                  20 kB
"""


def test_the_guests_ram_is_not_midways() -> None:
    block = Block(1 << 30, 1 << 30, 0x7F0000200000, memoryview(b""))
    assert resident_beside(SMAPS, [block]) == 320 * 1024
    assert resident_beside(SMAPS, []) == (320 + 524288) * 1024


def test_the_start_is_found_behind_any_name() -> None:
    kernel = FakeKernel()
    fields = " ".join(["S", *["0"] * 18, "12345", "0"])
    kernel.files["/proc/self/stat"] = f"42 (a) b (c)) {fields}\n"
    assert process_start(kernel) == pytest.approx(12345 / os.sysconf("SC_CLK_TCK"))


def test_this_process_began_before_now() -> None:
    assert 0 < process_start(Linux()) <= time.clock_gettime(time.CLOCK_BOOTTIME)
