# SPDX-License-Identifier: Apache-2.0
"""What the host is using a device for: its interface is up, its disk is mounted, its console is the host's.

Its part of /sys is walked by class (Documentation/ABI/testing/sysfs-class-*), whatever its driver is.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from midway.findings import Finding, Severity
from midway.host.mounts import mount_points, swaps
from midway.host.platform import Platform
from midway.host.sysfs import HostFiles

__all__ = ["usage"]

_IFF_UP = 1
_DEEPEST = 24
_Found = Iterator[tuple[str, str, str]]  # code, cause, remedy


def usage(platform: Platform, name: str) -> tuple[Finding, ...]:
    """Why the host would miss the device, one finding a reason; empty when it would not."""
    located = platform.files.locate(name)
    if located is None:
        return ()
    directory = located[1].resolve()
    found = [*_as_provider(platform.files, directory)]
    for place in _walk(directory, 0):
        kind = platform.files.link_name(place / "subsystem")
        if kind is None:
            continue
        found += _CHECKS.get(kind, _nothing)(platform, place)
        found += _opened(platform, place)
    return tuple(Finding(code, Severity.REFUSAL, name, cause, remedy) for code, cause, remedy in found)


def _walk(directory: Path, depth: int) -> Iterator[Path]:
    yield directory
    if depth == _DEEPEST:
        return
    try:
        with os.scandir(directory) as entries:
            below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return  # gone meanwhile
    for name in below:
        yield from _walk(directory / name, depth + 1)


def _nothing(_platform: Platform, _place: Path) -> _Found:
    yield from ()


def _network(platform: Platform, place: Path) -> _Found:
    if (platform.files.number(place / "flags") or 0) & _IFF_UP:
        yield "interface-up", f"its network interface {place.name} is up", f"ip link set {place.name} down"


def _block(platform: Platform, place: Path) -> _Found:
    files, disk = platform.files, place.name
    used = False
    for point in mount_points(files, files.text(place / "dev", 32) or "", disk):
        used = True
        yield "disk-in-use", f"its disk {disk} is mounted on {point}", f"umount {point}"
    if disk in swaps(files):
        used = True
        yield "disk-in-use", f"its disk {disk} is swapped to", f"swapoff /dev/{disk}"
    for holder in files.names(place / "holders"):
        used = True
        yield "disk-in-use", f"its disk {disk} is held by {holder}", f"take {holder} down"
    # O_EXCL without O_CREAT asks whether the kernel keeps the disk for one user (open(2)).
    if not used and files.is_taken(files.dev / disk.replace("!", "/"), os.O_RDONLY | os.O_EXCL):
        yield "disk-in-use", f"its disk {disk} is in use, maybe in another mount namespace", ""


def _terminal(platform: Platform, place: Path) -> _Found:
    number = platform.files.text(place / "dev", 32)
    for line in (platform.files.text(platform.files.proc / "consoles") or "").splitlines():
        fields = line.split()
        if fields and (fields[0] == place.name or fields[-1] == number):
            yield "console", f"its port {place.name} is the host's console", "boot with another console="


def _iommu(platform: Platform, place: Path) -> _Found:
    for master in platform.files.names(place / "devices"):
        yield "supplies-others", f"{master} depends on it", f"unbind {master} first"


def _opened(platform: Platform, place: Path) -> _Found:
    name = _device_file(platform.files, place)
    if name is None:
        return
    for process in platform.open_files.users(platform.files.dev / name):
        yield "device-open", f"{process} has /dev/{name} open", f"stop process {process.pid}"


def _device_file(files: HostFiles, place: Path) -> str | None:
    for line in (files.text(place / "uevent", 4096) or "").splitlines():
        key, _, value = line.partition("=")
        if key == "DEVNAME":
            return value
    return None


def _as_provider(files: HostFiles, directory: Path) -> _Found:
    """What others lose with it: unbinding a device unbinds its active consumers as well."""
    if (directory / "driver").exists() and (directory / "of_node" / "interrupt-controller").exists():
        yield "interrupt-controller", "interrupts of other devices go through it", ""
    for name in files.names(directory):
        link = directory / name
        if name.startswith("consumer:") and files.text(link / "status", 64) == "active":
            consumer = (link / "consumer").resolve()
            if not consumer.is_relative_to(directory):
                yield "supplies-others", f"{consumer.name} depends on it", f"unbind {consumer.name} first"


_CHECKS: dict[str, Callable[[Platform, Path], _Found]] = {
    "net": _network,
    "block": _block,
    "iommu": _iommu,
    "tty": _terminal,
}
