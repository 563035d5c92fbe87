# SPDX-License-Identifier: Apache-2.0
"""The driver of this checkout, built for the boards' kernel and kept in the cache."""

import hashlib
import shutil
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from midway.lab.cache import Cache, Recipe
from midway.lab.headers import CROSS_COMPILE, headers_recipe, kernel_build_directory
from midway.lab.progress import step
from midway.lab.root import Root
from midway.lab.tools import run_tool

__all__ = ["driver_module", "driver_recipe"]

_SOURCE = Path(__file__).resolve().parents[3] / "drivers/vfio-forward"
_MODULE = "vfio-forward.ko"


def driver_recipe(cache: Cache, root: Root) -> Recipe | None:
    """How to build the driver for the kernel of `root`; None where its source is not."""
    if not _SOURCE.is_dir():
        return None
    headers = headers_recipe(root)
    digest = hashlib.sha256()
    for path in sorted(_SOURCE.iterdir()):
        if path.suffix in (".c", ".h") or path.name == "Kbuild":
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    inputs = {"headers": headers.key, "source": digest.hexdigest(), "recipe": Path(__file__).read_text()}
    return Recipe("driver", inputs, partial(_build, cache, headers, root.kernel_release))


def driver_module(cache: Cache, root: Root, stack: ExitStack) -> Path | None:
    """The built module, kept in the cache while `stack` is open; None where the driver's source is not."""
    recipe = driver_recipe(cache, root)
    return stack.enter_context(cache.use(recipe)) / _MODULE if recipe else None


def _build(cache: Cache, headers: Recipe, kernel: str, directory: Path) -> None:
    source = directory / "source"
    with cache.use(headers) as unpacked, step("building the driver vfio-forward"):
        shutil.copytree(_SOURCE, source, ignore=shutil.ignore_patterns("*.o", "*.ko", ".*", "*.mod*"))
        build_directory = kernel_build_directory(unpacked, kernel)
        command = [
            "make",
            "-C",
            str(build_directory),
            f"M={source}",
            "ARCH=arm64",
            f"CROSS_COMPILE={CROSS_COMPILE}",
        ]
        run_tool([*command, "modules"], "cannot build the driver vfio-forward")
        (source / _MODULE).rename(directory / _MODULE)
        shutil.rmtree(source)
