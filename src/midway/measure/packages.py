# SPDX-License-Identifier: Apache-2.0
"""Parts of Debian's packages that only measurements need: 32-bit boards, and the schemas of bindings."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from midway.errors import LabError
from midway.lab.cache import Cache, Recipe
from midway.lab.progress import step
from midway.lab.sources import SUITE, debian_sources
from midway.lab.tools import run_tool

__all__ = ["arm32_boards", "binding_schemas"]

_BOARDS = "linux-image-armmp"  # depends on the present one
_SOURCE = "linux-source-6.1"
_BINDINGS = "Documentation/devicetree/bindings"


@contextmanager
def arm32_boards() -> Iterator[Path]:
    """The directory of the boards in Debian's kernel package for 32-bit Arm.  Raises LabError."""
    with _cached("arm32-boards", _unpack_boards) as directory:
        yield directory


@contextmanager
def binding_schemas() -> Iterator[Path]:
    """The bindings' schemas (YAML) as they come with Debian's kernel source.  Raises LabError."""
    with _cached("binding-schemas", _unpack_bindings) as directory:
        yield directory / _SOURCE / _BINDINGS


@contextmanager
def _cached(name: str, build: Callable[[Path], None]) -> Iterator[Path]:
    with Cache().use(Recipe(name, {"recipe": Path(__file__).read_text()}, build)) as directory:
        yield directory


def _unpack_boards(directory: Path) -> None:
    with step("fetching Debian's kernel package for 32-bit Arm"), tempfile.TemporaryDirectory() as scratch:
        # Any version will do, and not every mirror has this architecture's security updates.
        options = _private_apt(Path(scratch), "armhf", (SUITE,))
        said = run_tool(["apt-cache", *options, "show", _BOARDS], "cannot find the 32-bit kernel's package")
        found = re.search(r"linux-image-[0-9][^ ,]*-armmp", said)
        if found is None:
            raise LabError("looking for the 32-bit kernel", answer=f"{_BOARDS} names no package")
        package = _download(options, Path(scratch), found.group())
        run_tool(["dpkg-deb", "--extract", package, f"{scratch}/unpacked"], f"cannot unpack {package.name}")
        (boards,) = Path(scratch, "unpacked/usr/lib").glob("linux-image-*")
        shutil.move(boards, directory / boards.name)


def _unpack_bindings(directory: Path) -> None:
    with step("fetching the bindings' schemas"), tempfile.TemporaryDirectory() as scratch:
        package = _download(_private_apt(Path(scratch), "amd64"), Path(scratch), _SOURCE)
        run_tool(["dpkg-deb", "--extract", package, f"{scratch}/unpacked"], f"cannot unpack {package.name}")
        archive = f"{scratch}/unpacked/usr/src/{_SOURCE}.tar.xz"
        words: list[str | Path] = [
            "tar",
            "--extract",
            "--xz",
            "--file",
            archive,
            "--directory",
            directory,
            "--wildcards",
        ]
        run_tool([*words, f"{_SOURCE}/{_BINDINGS}/*"], "cannot unpack the bindings")


def _private_apt(scratch: Path, architecture: str, suites: Sequence[str] | None = None) -> list[str]:
    """Options for an apt of our own that knows one architecture (and only `suites`); its lists are read."""
    for name in ("state/lists/partial", "cache/archives/partial", "sources", "packages"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    known = [source for source in debian_sources() if suites is None or set(source.suites) & set(suites)]
    if suites is not None:
        known = [replace(source, suites=tuple(suites)) for source in known]
    (scratch / "sources/debian.sources").write_text("\n".join(map(str, known)))
    settings = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": scratch / "sources",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    run_tool(["apt-get", "--quiet", *options, "update"], "cannot read Debian's package lists")
    return options


def _download(options: Sequence[str], scratch: Path, package: str) -> Path:
    packages = scratch / "packages"
    words = ["apt-get", "--quiet", *options, "download", package]
    run_tool(words, f"cannot fetch {package}", cwd=packages)
    (found,) = packages.glob("*.deb")
    return found
