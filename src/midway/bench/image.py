# SPDX-License-Identifier: Apache-2.0
"""The initramfs of a guest that is measured: made of the host's own programs, libraries and modules."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from midway.bench.programs import LOADER, is_static, program_files, program_path
from midway.bench.subject import Subject
from midway.bench.workloads import Place, Target, Workload
from midway.board.initramfs import build_initramfs
from midway.errors import HostError

__all__ = ["NOTHING", "Link", "guest_image", "script"]

NOTHING = "nothing"
"""The name of a load that does nothing: what it costs is the measuring itself."""

_BUSYBOX = Path("/usr/bin/busybox")


@dataclass(frozen=True, slots=True)
class Link:
    """How the device's interface is set up, on the host and in guests; the peer is on the same network."""

    address: IPv4Interface
    peer: IPv4Address


def script(name: str) -> str:
    """One of the scripts in onboard/."""
    return files("midway.bench.onboard").joinpath(name).read_text()


def guest_image(
    subject: Subject,
    workloads: Sequence[Workload],
    target: Target,
    link: Link | None,
    module_files: Sequence[Path] = (),
    *,
    loader: Path = LOADER,
) -> bytes:
    """An image that runs these workloads on the device with the same commands as the host would.

    `module_files` are loaded behind those that the host's driver of the device needs.  Raises HostError for
    what the host lacks, ImageError for a module that its kernel has not.
    """
    content: dict[str, bytes | Path] = {
        "/network.sh": script("network.sh").encode(),
        "/settings": _settings(subject, link).encode(),
        f"/loads/{NOTHING}": b"",
    }
    for workload in workloads:
        command = shlex.join(workload.command(target, Place()))
        content[f"/loads/{workload.name}"] = f"exec {command}\n".encode()
    tools = dict.fromkeys(program_path(workload.tool) for workload in workloads if workload.tool)
    if tools:
        content |= program_files(tools, loader)
    later = [f"/more/{number}-{path.name}" for number, path in enumerate(module_files)]
    content["/more.list"] = "".join(f"{name}\n" for name in later).encode()
    content |= dict(zip(later, module_files, strict=True))
    if not _BUSYBOX.exists() or not is_static(_BUSYBOX, loader):
        raise HostError(
            "making a guest's image",
            answer=f"there is no static {_BUSYBOX}",
            remedy="apt-get install busybox-static",
        )
    return build_initramfs(Path("/"), os.uname().release, subject.modules, script("guest-init.sh"), content)


def _settings(subject: Subject, link: Link | None) -> str:
    values = {"KIND": str(subject.kind)}
    if link is not None:
        values |= {"ADDRESS": str(link.address), "PEER": str(link.peer)}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
