# SPDX-License-Identifier: Apache-2.0
"""The device that is measured, as its own driver has it on the host."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from midway.bench.workloads import Kind
from midway.errors import DeviceError, HostError
from midway.host.claims import claimed
from midway.host.platform import Platform
from midway.host.sysfs import HostFiles
from midway.host.usage import usage

__all__ = ["Subject", "nodes_of", "subject_of"]

_DEEPEST = 24
_CLASSES = {"net": Kind.NETWORK, "block": Kind.DISK, "dma": Kind.DMA}
_SPI_BASE = 32


@dataclass(frozen=True, slots=True)
class Subject:
    """`nodes` are what the kernel made of the device in its class: interfaces, disks or DMA channels.

    `interrupts` are the numbers of its lines at the interrupt controller (INTID), `modules` those that its
    drivers are in.
    """

    name: str
    kind: Kind
    nodes: tuple[str, ...]
    interrupts: tuple[int, ...]
    modules: tuple[str, ...]


def subject_of(name: str, platform: Platform, kind: Kind | None = None) -> Subject:
    """Raises DeviceError for a device that is absent, in use or of no kind that can be measured.

    `kind` is what it is to be where no driver of the host has it, so that nobody can tell.
    """
    device = platform.device(name)
    if any(record.device == name for record in claimed(files=platform.files)):
        raise DeviceError(
            "preparing to measure it", device=name, answer="it is claimed", remedy=f"midway release {name}"
        )
    in_use = usage(platform, name)
    if in_use:
        raise DeviceError(
            "preparing to measure it", device=name, answer=in_use[0].cause, remedy=in_use[0].remedy or None
        )
    directory = next(found[1] for found in (platform.files.locate(name),) if found)
    kinds = {_CLASSES[subsystem] for _, subsystem in _nodes(platform.files, directory.resolve(), 0)}
    lines = [line for line in device.lines if line.duplicate_of is None]
    if any(line.spi is None for line in lines):
        raise DeviceError(
            "preparing to measure it", device=name, answer="not all of its interrupts go to the GIC"
        )
    found = _kind(name, kinds, kind, driver=device.driver)
    return Subject(
        name=name,
        kind=found,
        nodes=nodes_of(name, found, platform.files),
        interrupts=tuple(_SPI_BASE + line.spi for line in lines if line.spi is not None),
        modules=tuple(dict.fromkeys(_modules(directory.resolve(), 0))),
    )


def nodes_of(name: str, kind: Kind, files: HostFiles | None = None) -> tuple[str, ...]:
    """What the kernel has made of the device by now in the class of its kind."""
    files = files or HostFiles()
    located = files.locate(name)
    if located is None:
        return ()
    found = _nodes(files, located[1].resolve(), 0)
    return tuple(node for node, subsystem in found if _CLASSES[subsystem] is kind)


def _kind(name: str, kinds: set[Kind], wanted: Kind | None, *, driver: str | None) -> Kind:
    if wanted is not None and (not kinds or wanted in kinds):
        return wanted
    if len(kinds) == 1 and wanted is None:
        return kinds.pop()
    if wanted is not None:
        answer = f"it is no {wanted} device, but {' and '.join(sorted(kinds))}"
    elif kinds:
        answer = f"it is {' and '.join(sorted(kinds))}"
    else:
        answer = f"its driver {driver} makes nothing of it" if driver else "no driver has it"
        answer += " that tells what it is"
    raise DeviceError(
        "choosing workloads", device=name, answer=answer, remedy="name them: --workloads tcp_rr,…"
    )


def _nodes(files: HostFiles, directory: Path, depth: int) -> Iterator[tuple[str, str]]:
    """Names and classes of what is below the device; of a disk not its partitions."""
    for below in _directories(directory, depth):
        subsystem = files.link_name(below / "subsystem") or ""
        if subsystem in _CLASSES and not (below / "partition").exists():
            yield below.name, subsystem
        yield from _nodes(files, below, depth + 1)


def _modules(directory: Path, depth: int) -> Iterator[str]:
    module = directory / "driver" / "module"
    if module.exists():
        yield module.resolve().name
    for below in _directories(directory, depth):
        yield from _modules(below, depth + 1)


def _directories(directory: Path, depth: int) -> Sequence[Path]:
    if depth == _DEEPEST:
        return ()
    try:
        with os.scandir(directory) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise HostError(f"reading {directory}", answer=error.strerror) from error
