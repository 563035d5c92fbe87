# SPDX-License-Identifier: Apache-2.0
"""The guest under which VMMs are compared, and each VMM's command line for it.

Everything is the same for all: the host's own kernel, an initramfs of busybox alone, its command line, the
RAM's size and kind (anonymous memory), one vCPU, a GICv3 or what the host has, and one UART.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from midway.board.initramfs import COMMAND_LINE, build_initramfs
from midway.errors import HostError

__all__ = ["INIT_SAID", "RAM", "VMMS", "Images", "images", "offered"]

RAM = 256 << 20  # bytes
INIT_SAID = b"midway-bench: init"
# It says that it runs, then lives until something is typed.
_INIT = f"""#!/bin/sh
/bin/busybox mkdir -p /dev
/bin/busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
echo "{INIT_SAID.decode()}"
read -r _
/bin/busybox poweroff -f
"""


class Images(NamedTuple):
    """The guest's files on this host."""

    kernel: Path
    initrd: Path


def images(directory: Path, kernel: Path | None = None, root: Path = Path("/")) -> Images:
    """The images, of which the initramfs is written to `directory`.

    `kernel` is an arm64 Image, the running one where it is None; `root` has busybox.  Raises HostError where
    something is missing.
    """
    release = os.uname().release
    kernel = kernel or root / "boot" / f"vmlinuz-{release}"
    busybox = root / "usr/bin/busybox"
    for path, remedy in ((kernel, "give it with --kernel"), (busybox, "install busybox-static")):
        if not path.is_file():
            raise HostError("making a guest to compare VMMs", answer=f"no {path}", remedy=remedy)
    initrd = directory / "initrd"
    initrd.write_bytes(build_initramfs(root, release, (), _INIT, {}))
    return Images(kernel, initrd)


def _midway(guest: Images) -> list[str]:
    installed = shutil.which("midway")
    program = [installed] if installed else [sys.executable, "-P", "-m", "midway"]
    files = ("--kernel", str(guest.kernel), "--initrd", str(guest.initrd))
    return [*program, "run", *files, "--append", COMMAND_LINE, "--memory", str(RAM >> 20)]


def _qemu(guest: Images) -> list[str]:
    board = ("-M", "virt,accel=kvm,gic-version=host", "-cpu", "host", "-m", f"{RAM >> 20}M")
    nothing_else = ("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio")
    files = ("-kernel", str(guest.kernel), "-initrd", str(guest.initrd), "-append", COMMAND_LINE)
    return ["qemu-system-aarch64", *board, *nothing_else, *files]


VMMS: Mapping[str, Callable[[Images], list[str]]] = {"midway": _midway, "qemu": _qemu}


def offered() -> tuple[str, ...]:
    """The VMMs of this host, Midway first."""
    return ("midway", *(("qemu",) if shutil.which("qemu-system-aarch64") else ()))
