# SPDX-License-Identifier: Apache-2.0
"""Performance counters: the little of linux/perf_event.h that counting needs."""

from midway.uapi.layout import U32, U64, Layout

HEADER = "linux/perf_event.h"
ARCHITECTURES = ("aarch64", "x86_64")

PERF_TYPE_HARDWARE = 0
PERF_COUNT_HW_INSTRUCTIONS = 1
PERF_ATTR_SIZE_VER0 = 64
PERF_FLAG_FD_CLOEXEC = 8

perf_event_attr = Layout(
    "struct perf_event_attr",
    ("type", U32, 1, 0),
    ("size", U32, 1, 4),
    ("config", U64, 1, 8),
    partial=True,
)
