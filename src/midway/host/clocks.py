# SPDX-License-Identifier: Apache-2.0
"""The rates a device's clocks have now, as the VFIO driver that holds them reports."""

from midway.host.sysfs import HostFiles

__all__ = ["clock_rates"]


def clock_rates(name: str, files: HostFiles | None = None) -> tuple[int | None, ...]:
    """In Hz, in the order of the node's `clocks`; None for one that has no rate.

    Empty when nobody says: only vfio-forward reports rates, of the device it is bound to.
    """
    files = files or HostFiles()
    located = files.locate(name)
    text = None if located is None else files.text(located[1] / "vfio_forward" / "clock_rates", 4096)
    rates: dict[int, int] = {}
    for line in (text or "").splitlines():
        index, _, rate = line.partition(" ")
        if index.isdecimal() and rate.isdecimal() and int(index) < 64:
            rates[int(index)] = int(rate)
    return tuple(rates.get(index) or None for index in range(max(rates, default=-1) + 1))
