# SPDX-License-Identifier: Apache-2.0
"""Programs of this host with the shared libraries they load, for a guest's image.

The loader itself is asked, by its option --list (glibc 2.0 and newer): it resolves as it would to run the
program.
"""

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from midway.errors import HostError

__all__ = ["LIBRARIES", "LOADER", "is_static", "program_files", "program_path"]

LOADER = Path("/lib/ld-linux-aarch64.so.1")  # where the arm64 ABI has it
LIBRARIES = "/lib/bench"  # where a guest has the libraries: LD_LIBRARY_PATH
_NEEDED = re.compile(r"^\s*(?P<name>\S+) => (?P<path>/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_MISSING = re.compile(r"^\s*(?P<name>\S+) => not found$", re.MULTILINE)


def program_path(name: str) -> Path:
    """Where the host has the program.  Raises HostError with the package to install."""
    found = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise HostError(
            "preparing the load", answer=f"{name} is not installed", remedy=f"apt-get install {name}"
        )
    return Path(found).resolve()


def program_files(programs: Iterable[Path], loader: Path = LOADER) -> dict[str, Path]:
    """What an image needs to run them, by the path it has in the image: each program in ``/bin``, the loader,
    and all libraries in LIBRARIES.

    Raises HostError for a program that this loader does not load, or that lacks a library.
    """
    files = {str(loader): loader.resolve()}
    for program in programs:
        files[f"/bin/{program.name}"] = program
        for name, path in _libraries(program, loader).items():
            files[f"{LIBRARIES}/{name}"] = path
    return files


def is_static(program: Path, loader: Path = LOADER) -> bool:
    """Whether the program runs without any library."""
    try:
        verified = subprocess.run([loader, "--verify", program], capture_output=True, check=False)
    except OSError as error:
        raise HostError(f"looking at {program}", answer=f"{loader}: {error.strerror}") from error
    return verified.returncode != 0


def _libraries(program: Path, loader: Path) -> dict[str, Path]:
    attempted = f"finding the libraries of {program}"
    try:
        listed = subprocess.run(
            [loader, "--list", program], capture_output=True, text=True, errors="replace", check=False
        )
    except OSError as error:
        raise HostError(attempted, answer=f"{loader}: {error.strerror}") from error
    missing = _MISSING.search(listed.stdout)
    if missing:
        raise HostError(attempted, answer=f"{missing['name']} is not found")
    if listed.returncode:
        raise HostError(attempted, answer=(listed.stderr or listed.stdout).strip()[-400:])
    return {match["name"]: Path(match["path"]).resolve() for match in _NEEDED.finditer(listed.stdout)}
