# SPDX-License-Identifier: Apache-2.0
"""Which disks are mounted or swapped to (proc(5): /proc/self/mountinfo, /proc/swaps)."""

import re
from pathlib import PurePosixPath

from midway.host.sysfs import HostFiles

__all__ = ["mount_points", "swaps"]

_LARGEST_TABLE = 4 << 20
_ESCAPED = re.compile(r"\\([0-7]{3})")


def mount_points(files: HostFiles, number: str, disk: str) -> tuple[str, ...]:
    """Where the disk with this device number ("179:1") and name ("mmcblk0p1") is mounted.

    The name is looked at as well because some file systems (btrfs) show a number of their own.
    """
    found = []
    for line in (files.text(files.proc / "self" / "mountinfo", _LARGEST_TABLE) or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, source = before.split(" "), after.split(" ")
        if len(fields) < 5 or len(source) < 2:
            continue
        if fields[2] == number or _unescape(source[1]) == f"/dev/{disk}":
            found.append(_unescape(fields[4]))
    return tuple(found)


def swaps(files: HostFiles) -> frozenset[str]:
    """The names of the disks that are swapped to."""
    lines = (files.text(files.proc / "swaps") or "").splitlines()[1:]
    return frozenset(PurePosixPath(_unescape(line.split()[0])).name for line in lines if line.strip())


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)
