# SPDX-License-Identifier: Apache-2.0
"""The kernel's log (Documentation/ABI/testing/dev-kmsg)."""

import os

from midway.host.sysfs import HostFiles

__all__ = ["kernel_log"]

_LARGEST_LINE = 8192
_MOST_LINES = 1 << 17


def kernel_log(files: HostFiles) -> str | None:
    """What is still in the kernel's buffer; None when it cannot be read."""
    try:
        descriptor = os.open(files.dev / "kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return b"".join(_lines(descriptor)).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def _lines(descriptor: int) -> list[bytes]:
    lines: list[bytes] = []
    while len(lines) < _MOST_LINES:
        try:
            line = os.read(descriptor, _LARGEST_LINE)
        except BrokenPipeError:
            continue  # the oldest were overwritten meanwhile
        except OSError:
            break
        if not line:
            break
        lines.append(line)
    return lines
