# SPDX-License-Identifier: Apache-2.0
"""The host's interrupts: which number a passed line has, as /proc/interrupts names them."""

import re

from midway.errors import DeviceError
from midway.host.sysfs import HostFiles

__all__ = ["host_interrupt"]

_LIMIT = 1 << 24  # a line for each interrupt with a column for each CPU
_ROW = re.compile(r"^\s*(?P<irq>\d+):.*?\s(?P<names>\S+(?:, \S+)*)$", re.MULTILINE)


def host_interrupt(device: str, line: int, files: HostFiles | None = None) -> int:
    """The host's number of a line that is passed to a VM; `line` is its index in the device.

    Raises DeviceError when no VFIO driver has it at the moment.
    """
    files = files or HostFiles()
    wanted = {
        f"vfio-forward:{device}[{line}]",
        f"vfio-irq[{line}]({device})",  # the kernel's own vfio-platform
    }
    table = files.text(files.proc / "interrupts", _LIMIT) or ""
    for row in _ROW.finditer(table):
        if wanted.intersection(row["names"].split(", ")):
            return int(row["irq"])
    raise DeviceError(
        f"finding the host's interrupt of line {line}", device=device, answer="no VFIO driver has it"
    )
