# SPDX-License-Identifier: Apache-2.0
"""What the lab has on this machine and what it lacks."""

from dataclasses import asdict, dataclass
from typing import Any

from midway.errors import LabError
from midway.lab.cache import Cache
from midway.lab.driver import driver_recipe
from midway.lab.guest_modules import guest_modules_recipe
from midway.lab.headers import headers_recipe
from midway.lab.root import Root, root_recipe
from midway.lab.tools import HostTool, host_tools, run_tool

__all__ = ["ArtefactStatus", "LabStatus", "emulator_version", "lab_status"]

# What the boards of one state of Midway, and their guests, are made from.
_OF_A_STATE = ("root", "headers", "driver", "guest-modules")


@dataclass(frozen=True, slots=True)
class ArtefactStatus:
    """One thing in the cache; `size` in bytes; one that is not `current` was made for another state of
    Midway.
    """

    name: str
    key: str
    size: int
    current: bool


@dataclass(frozen=True, slots=True)
class LabStatus:
    """`kernel` is the boards' (Debian's release and version), None before it was first fetched."""

    cache: str
    artefacts: tuple[ArtefactStatus, ...]
    kernel: str | None
    emulator: str | None
    missing: tuple[HostTool, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def lab_status(cache: Cache) -> LabStatus:
    """Look, without building or fetching anything."""
    current, kernel = set(), None
    recipe = root_recipe()
    if cache.contains(recipe):
        with cache.use(recipe) as path:
            root = Root(path)
            kernel = f"{root.kernel_release} ({root.kernel_package_version})"
            made_for_it = (recipe, headers_recipe(root), guest_modules_recipe(cache, root))
            current = {made.directory_name for made in made_for_it}
            if driver := driver_recipe(cache, root):
                current.add(driver.directory_name)
    artefacts = tuple(
        ArtefactStatus(
            artefact.name,
            artefact.key,
            artefact.size,
            artefact.name not in _OF_A_STATE or artefact.path.name in current,
        )
        for artefact in cache.artefacts()
    )
    missing = tuple(tool for tool in host_tools() if not tool.present)
    return LabStatus(str(cache.directory), artefacts, kernel, emulator_version(), missing)


def emulator_version() -> str | None:
    """The first line of what the emulator says of itself; None where it is missing."""
    try:
        return run_tool(["qemu-system-aarch64", "--version"], "cannot ask QEMU for its version").splitlines()[
            0
        ]
    except LabError:
        return None
