# SPDX-License-Identifier: Apache-2.0
"""The driver of this checkout, built for the boards' kernel and kept in the cache."""

import hashlib
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from midway.host import driver as host_driver
from midway.lab.cache import Cache, Recipe
from midway.lab.headers import CROSS_COMPILE, headers_recipe, kernel_build_directory
from midway.lab.progress import step
from midway.lab.root import Root

__all__ = ["driver_module", "driver_recipe"]


def driver_recipe(cache: Cache, root: Root) -> Recipe | None:
    """How to build the driver for the kernel of `root`; None where its source is not."""
    if not host_driver.SOURCE.is_dir():
        return None
    headers = headers_recipe(root)
    digest = hashlib.sha256()
    for path in sorted(host_driver.SOURCE.iterdir()):
        if path.suffix in (".c", ".h") or path.name == "Kbuild":
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    inputs = {"headers": headers.key, "source": digest.hexdigest(), "recipe": Path(__file__).read_text()}
    return Recipe("driver", inputs, partial(_build, cache, headers, root.kernel_release))


def driver_module(cache: Cache, root: Root, stack: ExitStack) -> Path | None:
    """The built module, kept in the cache while `stack` is open; None where the driver's source is not."""
    recipe = driver_recipe(cache, root)
    return stack.enter_context(cache.use(recipe)) / host_driver.MODULE if recipe else None


def _build(cache: Cache, headers: Recipe, kernel: str, directory: Path) -> None:
    with cache.use(headers) as unpacked, step("building the driver vfio-forward"):
        build_directory = kernel_build_directory(unpacked, kernel)
        host_driver.build(host_driver.SOURCE, build_directory, directory, cross_compile=CROSS_COMPILE)
