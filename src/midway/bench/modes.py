# SPDX-License-Identifier: Apache-2.0
"""The ways to own the device while it is measured."""

from collections.abc import Sequence

from midway.bench.metrics import MODES
from midway.bench.midway_vmm import MidwayVmm
from midway.bench.qemu_guest import QemuVmm
from midway.bench.vmm import GuestVmm
from midway.config import InterruptMode
from midway.errors import UsageError

__all__ = ["NATIVE", "QEMU", "check_modes", "vmm_for"]

NATIVE = "native"
"""The host itself, with the device's own driver."""

QEMU = QemuVmm.mode
"""QEMU's own vfio-platform, with the same guest."""


def check_modes(names: Sequence[str]) -> tuple[str, ...]:
    """The names, once each.  UsageError for one that there is not."""
    unknown = [name for name in names if name not in MODES]
    if unknown or not names:
        raise UsageError(
            f"no mode is called {unknown[0]!r}" if unknown else "no mode was named",
            remedy=f"they are {', '.join(MODES)}",
        )
    return tuple(dict.fromkeys(names))


def vmm_for(mode: str) -> GuestVmm | None:
    """Who runs the guest of a mode; None for NATIVE."""
    if mode == NATIVE:
        return None
    return QemuVmm() if mode == QEMU else MidwayVmm(InterruptMode(mode))
