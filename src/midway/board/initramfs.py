# SPDX-License-Identifier: Apache-2.0
"""Initramfs images for small guests and for emulated boards: busybox, modules, an init script."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from midway.board.cpio import CpioArchive
from midway.board.kernel_modules import KernelModules

__all__ = ["COMMAND_LINE", "build_initramfs"]

COMMAND_LINE = "quiet loglevel=1 panic=-1 rdinit=/init"
"""For a guest whose /init is all of it, and whose console is for what that says."""


def build_initramfs(
    root: Path, kernel: str, modules: Sequence[str], init: str, files: Mapping[str, bytes | Path]
) -> bytes:
    """An uncompressed archive with ``/init`` (the text of `init`), ``/bin/busybox`` (``/bin/sh`` links to it)
    and `files`.

    `root` is an arm64 root tree (``/`` on an arm64 host) with a static busybox, `kernel` the release whose
    `modules` are taken, with all that they need.  The modules lie in ``/modules/``; ``/modules.list`` names
    their files in load order, so that an init script reads
    ``while read -r module; do insmod "$module"; done < /modules.list``.  `files` maps absolute paths to
    contents, or to a file on this machine whose executable bit is kept.  Nothing is compressed: under
    emulation unpacking costs more than reading.  Raises ImageError for a module that the kernel lacks.
    """
    archive = CpioArchive()
    archive.file("/init", init.encode(), 0o755)
    archive.file("/bin/busybox", (root / "usr/bin/busybox").read_bytes(), 0o755)
    archive.symlink("/bin/sh", "busybox")
    archive.character_device("/dev/console", 5, 1)
    available = KernelModules(root, kernel)
    loaded = []
    for path in available.closure(modules):
        archive.file(f"/modules/{path.name}", (available.directory / path).read_bytes())
        loaded.append(f"/modules/{path.name}\n")
    archive.file("/modules.list", "".join(loaded).encode())
    for name, content in files.items():
        if isinstance(content, Path):
            archive.file(name, content.read_bytes(), content.stat().st_mode & 0o777)
        else:
            archive.file(name, content)
    return archive.as_bytes()
