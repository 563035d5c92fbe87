# SPDX-License-Identifier: Apache-2.0
"""What a module for the emulated boards is built against: Debian's headers of exactly their kernel."""

import tempfile
from functools import partial
from pathlib import Path

from midway.lab.cache import Recipe
from midway.lab.packages import download_packages
from midway.lab.progress import step
from midway.lab.root import Root
from midway.lab.tools import run_tool

__all__ = ["CROSS_COMPILE", "headers_recipe", "kernel_build_directory"]

CROSS_COMPILE = "aarch64-linux-gnu-"
_KBUILD = "linux-kbuild-6.1"  # the build tools, which have to run on this machine


def headers_recipe(root: Root) -> Recipe:
    inputs = {
        "kernel": root.kernel_release,
        "version": root.kernel_package_version,
        "recipe": Path(__file__).read_text(),
    }
    return Recipe("headers", inputs, partial(_build, root.kernel_release, root.kernel_package_version))


def kernel_build_directory(headers: Path, kernel: str) -> Path:
    """What ``make -C`` is given to build a module for `kernel`, within the artefact `headers`."""
    return headers / "usr/src" / f"linux-headers-{kernel}"


def _build(kernel: str, version: str, directory: Path) -> None:
    common = f"linux-headers-{kernel.removesuffix('-arm64')}-common"
    packages = (f"linux-headers-{kernel}:arm64", common, f"{_KBUILD}:amd64")
    with (
        step(f"fetching the headers of kernel {kernel}"),
        tempfile.TemporaryDirectory(dir=directory) as scratch,
    ):
        wanted = [f"{package}={version}" for package in packages]
        for package in download_packages(wanted, Path(scratch), "cannot fetch the kernel's headers"):
            what = f"cannot unpack {package.name}"
            run_tool(["dpkg-deb", "--extract", package, directory], what)
        makefile = kernel_build_directory(directory, kernel) / "Makefile"
        # As packaged it includes a file below /usr/src, where on this machine there is nothing.
        makefile.write_text(f"include $(dir $(lastword $(MAKEFILE_LIST)))../{common}/Makefile\n")
