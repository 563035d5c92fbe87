# SPDX-License-Identifier: Apache-2.0
"""Kernel modules for guests that Debian does not build, from the source of Debian's own kernel.

They are Linux' own drivers, unchanged: out of the package linux-source, of exactly the version of the boards'
kernel.  Only what asks for them fetches and builds them.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from midway.errors import LabError
from midway.lab.cache import Cache, Recipe
from midway.lab.headers import headers_recipe
from midway.lab.module_build import build_modules
from midway.lab.packages import download_packages
from midway.lab.progress import step
from midway.lab.root import Root
from midway.lab.tools import run_tool

__all__ = ["guest_modules", "guest_modules_recipe"]

_SOURCE = "linux-source-6.1"
_MODULES = ("drivers/dma/dmatest", "drivers/dma/xilinx/zynqmp_dma", "drivers/rtc/rtc-zynqmp")
_HEADERS = ("drivers/dma/dmaengine.h",)  # of these drivers' own, which no package of headers has


def guest_modules_recipe(cache: Cache, root: Root) -> Recipe:
    headers = headers_recipe(root)
    inputs = {
        "headers": headers.key,
        "version": root.kernel_package_version,
        "recipe": Path(__file__).read_text(),
    }
    return Recipe("guest-modules", inputs, partial(_build, cache, root))


@contextmanager
def guest_modules(cache: Cache, root: Root) -> Iterator[dict[str, Path]]:
    """The built modules by name, kept in the cache while the block runs.

    Raises LabError when the source cannot be fetched or built.
    """
    with cache.use(guest_modules_recipe(cache, root)) as directory:
        yield {name.rpartition("/")[2]: directory / f"{name.rpartition('/')[2]}.ko" for name in _MODULES}


def _build(cache: Cache, root: Root, directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        with step(f"fetching the source of kernel {root.kernel_release}"):
            _unpack(root.kernel_package_version, Path(scratch), source)
        objects = " ".join(f"{name}.o" for name in _MODULES)
        (source / "Kbuild").write_text(f"obj-m := {objects}\n")
        with step(f"building {len(_MODULES)} of its modules"):
            build_modules(cache, root, source, _MODULES, directory)


def _unpack(version: str, scratch: Path, source: Path) -> None:
    """The few files that are needed, out of the archive that the package holds."""
    attempted = "cannot fetch the kernel's source"
    packages = scratch / "fetched"
    packages.mkdir()
    (package,) = download_packages([f"{_SOURCE}={version}"], packages, attempted)
    run_tool(["dpkg-deb", "--extract", package, scratch / "package"], attempted)
    wanted = {f"{module}.c" for module in _MODULES} | {*_HEADERS}
    with tarfile.open(scratch / "package/usr/src" / f"{_SOURCE}.tar.xz", "r|xz") as archive:
        for member in archive:
            name = member.name.partition("/")[2]
            content = archive.extractfile(member) if name in wanted else None
            if content is None:
                continue
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content.read())
            wanted.remove(name)
            if not wanted:
                return
    raise LabError(attempted, answer=f"{package.name} has no {', '.join(sorted(wanted))}")
