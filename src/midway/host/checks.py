# SPDX-License-Identifier: Apache-2.0
"""What one look at the host found, and the looks that need no more than its files."""

import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass

from midway.errors import MidwayError
from midway.findings import Finding, Severity
from midway.host.sysfs import HostFiles
from midway.host.tree import host_tree

__all__ = ["Check", "check_capabilities", "check_huge_pages", "check_memlock", "check_tracing", "check_tree"]

_CAPABILITIES = {"CAP_SYS_RAWIO": 17, "CAP_SYS_ADMIN": 21}  # include/uapi/linux/capability.h
_CAP_IPC_LOCK = 14
_POOL = re.compile(r"hugepages-([0-9]{1,9})kB")


@dataclass(frozen=True, slots=True)
class Check:
    """`found` is what is there; `severity` None when nothing is amiss, REFUSAL when no guest can run."""

    code: str
    title: str
    found: str
    severity: Severity | None = None
    remedy: str = ""

    @property
    def finding(self) -> Finding | None:
        if self.severity is None:
            return None
        return Finding(self.code, self.severity, "host", f"{self.title}: {self.found}", self.remedy)

    def as_json(self) -> dict[str, str | bool | None]:
        return {
            "code": self.code,
            "title": self.title,
            "ok": self.severity is None,
            "found": self.found,
            "severity": self.severity and self.severity.value,
            "remedy": self.remedy,
        }


def check_tree(files: HostFiles) -> Check:
    """Devices can only be passed from a device tree."""
    try:
        nodes = sum(1 for _ in host_tree(files).walk())
    except MidwayError as error:
        return Check(
            "device-tree", "device tree", error.answer or str(error), Severity.WARNING, error.remedy or ""
        )
    return Check("device-tree", "device tree", f"{nodes} nodes")


def check_huge_pages(files: HostFiles) -> Check:
    """Guest RAM for direct DMA is made of huge pages, whose physical addresses stay."""
    pools = files.sys / "kernel" / "mm" / "hugepages"
    found, free = [], 0
    for name in files.names(pools):
        match = _POOL.fullmatch(name)
        if match is None:
            continue
        total, unused = (
            files.number(pools / name / "nr_hugepages"),
            files.number(pools / name / "free_hugepages"),
        )
        if total:
            found.append(f"{unused} of {total} free of {_size(int(match[1]))}")
            free += unused or 0
    if free:
        return Check("huge-pages", "huge pages", ", ".join(found))
    return Check(
        "huge-pages",
        "huge pages",
        ", ".join(found) or "none reserved",
        Severity.WARNING,
        "devices without an IOMMU need some: hugepagesz=1G hugepages=1 at boot, "
        "or echo 256 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
    )


def check_capabilities(files: HostFiles) -> Check:
    """What this process may do; binding drivers and direct DMA need privileges."""
    held = _capabilities(files)
    missing = [name for name, bit in _CAPABILITIES.items() if not held >> bit & 1]
    if not missing:
        return Check("privileges", "privileges", ", ".join(_CAPABILITIES))
    return Check(
        "privileges",
        "privileges",
        f"no {', '.join(missing)}",
        Severity.WARNING,
        "run Midway as root to pass devices",
    )


def check_memlock(files: HostFiles) -> Check:
    """VFIO pins the guest's RAM, which counts against RLIMIT_MEMLOCK without CAP_IPC_LOCK."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if _capabilities(files) >> _CAP_IPC_LOCK & 1:
        return Check("locked-memory", "locked memory", "unlimited (CAP_IPC_LOCK)")
    if limit == resource.RLIM_INFINITY:
        return Check("locked-memory", "locked memory", "unlimited")
    return Check(
        "locked-memory",
        "locked memory",
        f"at most {limit >> 20} MiB",
        Severity.WARNING,
        "ulimit -l unlimited: a guest's RAM is locked while it has a device",
    )


def check_tracing(files: HostFiles) -> Check:
    """Trace events and KVM's counters are for measuring; no guest needs them."""
    trace = files.sys / "kernel" / "tracing" / "events"
    debug = files.sys / "kernel" / "debug" / "kvm"
    missing = [
        name for name, path in (("tracefs", trace), ("debugfs", debug)) if not os.access(path, os.R_OK)
    ]
    if not missing:
        return Check("tracing", "tracing", "tracefs, debugfs")
    mounts = {
        "tracefs": "mount -t tracefs tracefs /sys/kernel/tracing",
        "debugfs": "mount -t debugfs debugfs /sys/kernel/debug",
    }
    return Check(
        "tracing",
        "tracing",
        f"{' and '.join(missing)} not to be read",
        Severity.NOTE,
        f"only for measurements, as root: {'; '.join(mounts[name] for name in missing)}",
    )


def _capabilities(files: HostFiles) -> int:
    for name, value in _status(files):
        if name == "CapEff":
            return int(value, 16)
    return 0


def _status(files: HostFiles) -> Iterator[tuple[str, str]]:
    for line in (files.text(files.proc / "self" / "status") or "").splitlines():
        name, _, value = line.partition(":")
        yield name, value.strip()


def _size(kibibytes: int) -> str:
    for unit, name in ((1 << 20, "GiB"), (1 << 10, "MiB")):
        if kibibytes >= unit:
            return f"{kibibytes // unit} {name}"
    return f"{kibibytes} KiB"
