# SPDX-License-Identifier: Apache-2.0
"""Which module files a module needs, in the order they have to be loaded, from depmod's modules.dep."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from midway.errors import ImageError

__all__ = ["KernelModules"]


def _module_name(path: PurePosixPath) -> str:
    return path.name.split(".ko", 1)[0].replace("-", "_")


class KernelModules:
    """The modules of one kernel of a root tree, by name (``-`` and ``_`` are the same, as for modprobe).

    Raises ImageError when the tree has no modules for that kernel.
    """

    def __init__(self, root: Path, kernel: str) -> None:
        self.directory = root / "lib/modules" / kernel
        if not self.directory.is_dir():
            self.directory = root / "usr/lib/modules" / kernel
        self._dependencies: dict[PurePosixPath, list[PurePosixPath]] = {}
        try:
            text = (self.directory / "modules.dep").read_text()
            builtin = (self.directory / "modules.builtin").read_text()
        except OSError as error:
            raise ImageError(f"cannot read the modules of kernel {kernel}", answer=str(error)) from error
        for line in text.splitlines():
            path, _, needs = line.partition(":")
            # modules.dep lists a module's needs with the one to be loaded first at the end
            self._dependencies[PurePosixPath(path)] = [
                PurePosixPath(need) for need in reversed(needs.split())
            ]
        self._paths = {_module_name(path): path for path in self._dependencies}
        self._builtin = {_module_name(PurePosixPath(line)) for line in builtin.splitlines()}

    def closure(self, names: Iterable[str]) -> list[PurePosixPath]:
        """Paths below `directory` of the named modules and all they need, in load order; built-in ones are
        left out.

        Raises ImageError for a module that this kernel does not have.
        """
        order: dict[PurePosixPath, None] = {}
        for name in names:
            wanted = name.replace("-", "_")
            if wanted in self._builtin:
                continue
            path = self._paths.get(wanted)
            if path is None:
                raise ImageError(f"kernel {self.directory.name} has no module called {name}")
            order |= dict.fromkeys([*self._dependencies[path], path])
        return list(order)
