# SPDX-License-Identifier: Apache-2.0
"""Numbers of system calls that the C library has no function for, on arm64."""

HEADER = "sys/syscall.h"
ARCHITECTURES = ("aarch64",)

SYS_perf_event_open = 241
