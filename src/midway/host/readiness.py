# SPDX-License-Identifier: Apache-2.0
"""Everything Midway needs of a host, looked at in one go."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from midway.findings import Finding, Severity
from midway.host.checks import (
    Check,
    check_capabilities,
    check_huge_pages,
    check_memlock,
    check_tracing,
    check_tree,
)
from midway.host.kvm_checks import check_driver, check_eoi_mode, check_kvm, check_vfio
from midway.host.sysfs import HostFiles
from midway.kernel.syscalls import SystemCalls

__all__ = ["Readiness", "readiness"]

_ARCHITECTURE = "aarch64"


@dataclass(frozen=True, slots=True)
class Readiness:
    """The checks, in the order in which their remedies are best taken."""

    checks: tuple[Check, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(check.finding for check in self.checks if check.finding is not None)

    @property
    def can_run_guests(self) -> bool:
        return all(check.severity is not Severity.REFUSAL for check in self.checks)


def readiness(
    files: HostFiles | None = None, *, machine: str | None = None, calls: SystemCalls | None = None
) -> Readiness:
    """Look at the host; never raises because of what is missing.

    `machine` is the architecture as uname(2) says it and `calls` the way to KVM; tests bring their own.
    """
    return Readiness(tuple(_checks(files or HostFiles(), machine or os.uname().machine, calls)))


def _checks(files: HostFiles, machine: str, calls: SystemCalls | None) -> Iterator[Check]:
    if machine != _ARCHITECTURE:
        yield Check(
            "architecture",
            "architecture",
            f"{machine}, not {_ARCHITECTURE}",
            Severity.REFUSAL,
            "guests with devices run on 64-bit Arm hosts; `midway lab` runs emulated ones here",
        )
        return
    yield Check("architecture", "architecture", machine)
    yield from check_kvm(files, calls)
    yield check_eoi_mode(files)
    yield check_tree(files)
    yield from check_vfio(files)
    yield from check_driver(files)
    yield check_huge_pages(files)
    yield check_capabilities(files)
    yield check_memlock(files)
    yield check_tracing(files)
