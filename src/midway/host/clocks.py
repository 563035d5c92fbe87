# SPDX-License-Identifier: Apache-2.0
"""The rates a device's clocks have now, as the VFIO driver that holds them reports."""

from midway.host.sysfs import HostFiles

__all__ = ["clock_rates"]


def clock_rates(name: str, files: HostFiles | None = None) -> tuple[int | None, ...]:
    """In Hz, in the order of the node's `clocks`; None for one without a rate.

    Empty when nobody says: only vfio-forward reports rates, those of the device it is bound to.
    """
    files = files or HostFiles()
    located = files.locate(name)
    text = None if located is None else files.text(located[1] / "vfio_forward" / "clock_rates", 4096)
    words = (text or "").split()
    return tuple(int(word) or None for word in words) if all(map(str.isdecimal, words)) else ()
