# SPDX-License-Identifier: Apache-2.0
"""Debian's packages as files, of any architecture, without telling this machine's dpkg of a foreign one."""

from collections.abc import Sequence
from pathlib import Path

from midway.errors import LabError
from midway.lab.sources import debian_sources
from midway.lab.tools import run_tool

__all__ = ["download_packages"]


def download_packages(packages: Sequence[str], scratch: Path, attempted: str) -> list[Path]:
    """The files of `packages` (apt's NAME:ARCHITECTURE=VERSION), fetched into the empty directory `scratch`.

    Raises LabError, which says what was `attempted`.
    """
    for name in ("state/lists/partial", "cache/archives/partial", "sources", "packages"):
        (scratch / name).mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources/debian.sources").write_text("\n".join(str(source) for source in debian_sources()))
    settings = {
        "Dir::State": scratch / "state",
        "Dir::State::status": scratch / "status",
        "Dir::Cache": scratch / "cache",
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": scratch / "sources",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64,arm64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt: list[str | Path] = ["apt-get", "--quiet"]
    for name, value in settings.items():
        apt += ["-o", f"{name}={value}"]
    run_tool([*apt, "update"], "cannot read Debian's package lists")
    try:
        run_tool([*apt, "download", *packages], attempted, cwd=scratch / "packages")
    except LabError as error:
        remedy = "if Debian has a newer kernel by now: midway lab clean"
        raise LabError(error.attempted, answer=error.answer, remedy=remedy) from error
    return sorted((scratch / "packages").glob("*.deb"))
