# SPDX-License-Identifier: Apache-2.0
"""The arm64 root of the emulated boards: Debian packages unpacked without running any of their scripts."""

import os
import re
import shutil
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from midway.errors import LabError
from midway.lab.cache import Recipe
from midway.lab.progress import step
from midway.lab.sources import SUITE, debian_sources
from midway.lab.tools import run_tool

__all__ = ["PACKAGES", "Root", "root_recipe"]

PACKAGES = (
    "base-files",
    "base-passwd",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "device-tree-compiler",
    "ethtool",
    "findutils",
    "fio",
    "grep",
    "iperf3",
    "iproute2",
    "iputils-ping",
    "kmod",
    "linux-image-arm64",
    "mawk",
    "mount",
    "ncurses-base",
    "netbase",
    "procps",
    "python3",
    "python3-libfdt",
    "python3-rich",
    "qemu-system-arm",
    "sed",
    "sockperf",
    "strace",
    "util-linux",
)
_WHEELS = ("msgspec",)  # Midway needs it and Debian 12 does not have it
_WHEEL_TAGS = ("manylinux2014_aarch64", "manylinux_2_17_aarch64", "manylinux_2_28_aarch64")
_NOT_NEEDED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/info",
    "usr/share/bash-completion",
)
_MERGED_USR_HOOK = "/usr/share/mmdebstrap/hooks/merged-usr"


@dataclass(frozen=True, slots=True)
class Root:
    """The finished artefact: a disk image for the board, and what this machine itself takes from the tree."""

    directory: Path

    @property
    def image(self) -> Path:
        return self.directory / "root.ext4"

    @property
    def tree(self) -> Path:
        """boot/, the modules, the boards' device trees and the static busybox; nothing else."""
        return self.directory / "tree"

    @property
    def kernel_release(self) -> str:
        """Such as ``6.1.0-56-arm64``."""
        return next((self.tree / "boot").glob("vmlinuz-*")).name.removeprefix("vmlinuz-")

    @property
    def kernel_package_version(self) -> str:
        """Debian's version of the package, such as ``6.1.192-2``, from the kernel's own banner."""
        image = self.kernel_image.read_bytes()
        match = re.search(rb"Linux version [^\0]*? Debian (\S+)", image)
        if match is None:
            raise LabError(f"{self.kernel_image} does not say which Debian version it is")
        return match.group(1).decode()

    @property
    def kernel_image(self) -> Path:
        return self.tree / "boot" / f"vmlinuz-{self.kernel_release}"

    @property
    def device_trees(self) -> Path:
        """The directory of the boards' trees in Debian's kernel package, in one directory per vendor."""
        return self.tree / "usr/lib" / f"linux-image-{self.kernel_release}"


def root_recipe() -> Recipe:
    inputs = {
        "suite": SUITE,
        "packages": " ".join(PACKAGES),
        "wheels": " ".join(_WHEELS),
        "recipe": Path(__file__).read_text(),
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    return Recipe("root", inputs, _build)


def _build(directory: Path) -> None:
    tree = directory / "full"
    with step(f"fetching and unpacking an arm64 Debian {SUITE} root"):
        _unpack_packages(tree)
        _unpack_wheels(tree)
        _finish_as_scripts_would(tree)
    with step("compiling its Python modules"):
        _compile_python(tree)
    with step("making a disk of it"):
        _make_image(tree, directory / "root.ext4")
    _keep_what_this_machine_reads(tree, directory / "tree")


def _unpack_packages(tree: Path) -> None:
    options = [
        "--variant=extract",
        "--architectures=arm64",
        f"--hook-dir={_MERGED_USR_HOOK}",
        f"--include={','.join(PACKAGES)}",
    ]
    sources = tree.with_suffix(".sources")
    sources.write_text("\n".join(str(source) for source in debian_sources()))
    what = "cannot make the root of the emulated boards"
    if os.geteuid() == 0:
        run_tool(["mmdebstrap", "--mode=root", *options, SUITE, tree, sources], what)
        sources.unlink()
        return
    archive = tree.with_suffix(".tar")
    run_tool(["mmdebstrap", "--mode=unshare", *options, SUITE, archive, sources], what)
    sources.unlink()
    tree.mkdir()
    run_tool(
        ["tar", "--extract", "--no-same-owner", "--exclude=./dev/*", "--file", archive, "--directory", tree],
        what,
    )
    archive.unlink()


def _unpack_wheels(tree: Path) -> None:
    platforms = [option for tag in _WHEEL_TAGS for option in ("--platform", tag)]
    with tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += [
            "--python-version",
            "3.11",
            "--implementation",
            "cp",
            *platforms,
            "--dest",
            scratch,
            *_WHEELS,
        ]
        run_tool(command, f"cannot fetch {', '.join(_WHEELS)} for the emulated boards")
        for wheel in Path(scratch).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(tree / "usr/lib/python3/dist-packages")


def _finish_as_scripts_would(tree: Path) -> None:
    for link, target in {"sh": "dash", "awk": "mawk"}.items():
        (tree / "usr/bin" / link).unlink(missing_ok=True)
        (tree / "usr/bin" / link).symlink_to(target)
    masters = tree / "usr/share/base-passwd"
    shutil.copy(masters / "passwd.master", tree / "etc/passwd")
    shutil.copy(masters / "group.master", tree / "etc/group")
    (tree / "etc/hostname").write_text("board\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost board\n")
    (tree / "etc/resolv.conf").write_text("nameserver 10.0.2.3\n")
    (tree / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    kernel = next((tree / "usr/lib/modules").iterdir()).name
    run_tool(
        ["depmod", "--basedir", tree, kernel], "cannot list the dependencies of the boards' kernel modules"
    )
    for name in _NOT_NEEDED:
        shutil.rmtree(tree / name, ignore_errors=True)


def _compile_python(tree: Path) -> None:
    # Compiling under emulation is slow; byte code of the same minor version is the same on every machine.
    where = [tree / "usr/lib/python3.11", tree / "usr/lib/python3"]
    options = ["-q", "-j0", "--invalidation-mode", "unchecked-hash", "-s", str(tree), "-p", "/"]
    run_tool(
        [sys.executable, "-m", "compileall", *options, *map(str, where)],
        "cannot compile the root's Python modules",
    )


def _make_image(tree: Path, image: Path) -> None:
    files = sum(1 for _ in tree.rglob("*"))
    size = sum(
        entry.lstat().st_size // 4096 * 4096 + 4096 for entry in tree.rglob("*") if not entry.is_symlink()
    )
    with image.open("wb") as file:
        file.truncate(size + size // 16 + 32 * 1024 * 1024)
    options = [
        "-q",
        "-F",
        "-t",
        "ext4",
        "-O",
        "^has_journal,^resize_inode",
        "-m",
        "0",
        "-N",
        str(files + 1024),
    ]
    # A user's own files become root's on the image.
    prefix = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    command = [*prefix, "mke2fs", *options, "-d", str(tree), str(image)]
    run_tool(command, "cannot make a disk of the boards' root")


def _keep_what_this_machine_reads(tree: Path, kept: Path) -> None:
    wanted = ["boot", "usr/lib/modules", "usr/bin/busybox"]
    wanted += [str(path.relative_to(tree)) for path in (tree / "usr/lib").glob("linux-image-*")]
    for name in wanted:
        (kept / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).rename(kept / name)
    shutil.rmtree(tree)
