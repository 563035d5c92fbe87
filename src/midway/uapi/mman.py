# SPDX-License-Identifier: Apache-2.0
"""Flags of mmap(2) that Python's own module does not have everywhere."""

HEADER = "linux/mman.h"
ARCHITECTURES = ("aarch64", "x86_64")

MAP_FIXED = 0x10
MAP_NORESERVE = 0x4000
MAP_HUGE_SHIFT = 26
