# SPDX-License-Identifier: Apache-2.0
"""Kernel modules for the guests of emulated boards, whose kernel is the boards' own."""

from collections.abc import Sequence
from pathlib import Path

from midway.lab.cache import Cache
from midway.lab.headers import CROSS_COMPILE, headers_recipe, kernel_build_directory
from midway.lab.root import Root
from midway.lab.tools import run_tool

__all__ = ["build_modules"]


def build_modules(cache: Cache, root: Root, source: Path, names: Sequence[str], directory: Path) -> None:
    """Build what the Kbuild file in `source` names, and leave the modules `names` in `directory`.

    `names` are paths below `source` without .ko; what is built in between stays in `source`.  Raises LabError
    with the compiler's answer.
    """
    with cache.use(headers_recipe(root)) as headers:
        build = kernel_build_directory(headers, root.kernel_release)
        target = (f"M={source}", "ARCH=arm64", f"CROSS_COMPILE={CROSS_COMPILE}", "modules")
        run_tool(["make", "-C", build, *target], "cannot build modules for guests")
    for name in names:
        built = source / f"{name}.ko"
        # What is for debuggers is most of it, and a guest's modules are read under emulation.
        strip = f"{CROSS_COMPILE}strip"
        run_tool([strip, "--strip-debug", "-o", directory / built.name, built], f"cannot strip {name}.ko")
