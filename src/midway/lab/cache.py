# SPDX-License-Identifier: Apache-2.0
"""The cache of what is expensive to make: one directory per artefact, named after what it was made from.

An artefact is built in a temporary sibling, written to disk and renamed into place, under a lock of its own.
So a run that was cut short leaves nothing that looks finished, and of two runs at once one builds and the
other waits.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Artefact", "Cache", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How to make one artefact: `build` fills an empty directory; `inputs` is everything that decides the
    outcome.
    """

    name: str
    inputs: Mapping[str, str]
    build: Callable[[Path], None]

    @property
    def key(self) -> str:
        text = json.dumps(dict(self.inputs), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def directory_name(self) -> str:
        return f"{self.name}-{self.key}"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A finished artefact as found in the cache; `size` in bytes on disk."""

    name: str
    key: str
    path: Path
    size: int


class Cache:
    """The artefacts below `directory` (default: ``$XDG_CACHE_HOME/midway``, else ``~/.cache/midway``)."""

    def __init__(self, directory: Path | None = None) -> None:
        if directory is None:
            base = os.environ.get("XDG_CACHE_HOME")
            directory = (Path(base) if base else Path.home() / ".cache") / "midway"
        self.directory = directory

    @contextmanager
    def use(self, recipe: Recipe) -> Iterator[Path]:
        """The artefact's directory, built first if need be, and kept from `clean` while in use."""
        path = self.directory / recipe.directory_name
        while True:
            with self._lock(recipe.directory_name, fcntl.LOCK_SH):
                if path.is_dir():
                    yield path
                    return
            with self._lock(recipe.directory_name, fcntl.LOCK_EX):
                if not path.is_dir():
                    self._build(recipe, path)

    def contains(self, recipe: Recipe) -> bool:
        return (self.directory / recipe.directory_name).is_dir()

    def artefacts(self) -> list[Artefact]:
        """What is finished, by name."""
        if not self.directory.is_dir():
            return []
        found = []
        for path in sorted(self.directory.iterdir()):
            name, dash, key = path.name.rpartition("-")
            if path.is_dir() and dash and not path.name.startswith("."):
                found.append(Artefact(name, key, path, _size_on_disk(path)))
        return found

    def clean(self) -> list[Artefact]:
        """Remove every artefact and every leftover of a run that was cut short, except what is in use.

        Returns what was removed.
        """
        removed = []
        for artefact in self.artefacts():
            with suppress(BlockingIOError), self._lock(artefact.path.name, fcntl.LOCK_EX | fcntl.LOCK_NB):
                # Half removed it must not look finished, whatever ends this.
                doomed = Path(tempfile.mkdtemp(prefix=f".{artefact.path.name}.", dir=self.directory))
                artefact.path.rename(doomed / "removed")
                shutil.rmtree(doomed)
                removed.append(artefact)
        for leftover in self.directory.glob(".*.*"):
            directory_name = leftover.name[1:].rpartition(".")[0]
            with suppress(BlockingIOError), self._lock(directory_name, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(leftover)
        return removed

    def _build(self, recipe: Recipe, path: Path) -> None:
        self._remove_leftovers(recipe.directory_name)
        scratch = Path(tempfile.mkdtemp(prefix=f".{recipe.directory_name}.", dir=self.directory))
        try:
            scratch.chmod(0o755)
            recipe.build(scratch)
            subprocess.run(["sync", "--file-system", str(scratch)], check=True)
            scratch.rename(path)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise

    def _remove_leftovers(self, directory_name: str) -> None:
        # Only the holder of the artefact's exclusive lock makes these, so what is there now is nobody's.
        for leftover in self.directory.glob(f".{directory_name}.*"):
            shutil.rmtree(leftover, ignore_errors=True)

    @contextmanager
    def _lock(self, directory_name: str, operation: int) -> Iterator[None]:
        locks = self.directory / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(locks / directory_name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, operation)
            yield
        finally:
            os.close(descriptor)


def _size_on_disk(path: Path) -> int:
    size = 0
    with suppress(FileNotFoundError):  # another run is cleaning
        for entry in path.rglob("*"):
            size += entry.lstat().st_blocks * 512
    return size
