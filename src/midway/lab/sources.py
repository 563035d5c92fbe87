# SPDX-License-Identifier: Apache-2.0
"""The machine's own apt sources, reduced to Debian's, so that the lab fetches from where the machine already
does.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from midway.errors import LabError

__all__ = ["SUITE", "PackageSource", "debian_sources"]

SUITE = "bookworm"
_SUITES = (SUITE, f"{SUITE}-updates", f"{SUITE}-security")
_DEBIAN_KEYRING = "debian-archive-keyring"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """One archive; `str()` is its stanza in apt's deb822 format, without any restriction to an
    architecture.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    signed_by: str | None

    def __str__(self) -> str:
        key = f"Signed-By: {self.signed_by}\n" if self.signed_by else ""
        uris, suites = " ".join(self.uris), " ".join(self.suites)
        return f"Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: main\n{key}"


def debian_sources(apt: Path = Path("/etc/apt")) -> list[PackageSource]:
    """Debian's own archives among the sources of `apt`, in the order apt reads them.

    A source counts as Debian's when its suite is the release's, it has a component "main", and it is signed
    by Debian's keyring or by whatever apt trusts in general.  Raises LabError when there is none.
    """
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    found: list[PackageSource] = []
    for file in files:
        if file.suffix == ".list" and file.is_file():
            found += _filtered(_one_line_entries(file.read_text()))
        elif file.suffix == ".sources" and file.is_file():
            found += _filtered(_stanzas(file.read_text()))
    if not found:
        raise LabError(
            f"no source for Debian {SUITE} in {apt}",
            remedy=f"add a line such as 'deb MIRROR {SUITE} main' to {apt}/sources.list",
        )
    return list(dict.fromkeys(found))  # some machines name an archive twice


def _filtered(entries: Iterable[dict[str, str]]) -> Iterator[PackageSource]:
    for entry in entries:
        suites = tuple(suite for suite in entry["suites"].split() if suite in _SUITES)
        signed_by = entry.get("signed-by")
        if "deb" not in entry["types"].split() or "main" not in entry["components"].split() or not suites:
            continue
        if signed_by is None or _DEBIAN_KEYRING in signed_by:
            yield PackageSource(tuple(entry["uris"].split()), suites, signed_by)


def _one_line_entries(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        match = re.match(r"(deb|deb-src)\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)\s+([^#]*)", line.strip())
        if match is None:
            continue
        kind, options, uri, suite, components = match.groups()
        entry = {"types": kind, "uris": uri, "suites": suite, "components": components}
        entry |= {
            name.lower(): value for name, _, value in (o.partition("=") for o in (options or "").split())
        }
        yield entry


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        entry: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace() and name:  # a continued value, such as a key given inline
                entry[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                entry[name] = value.strip()
        if entry.get("enabled", "yes").lower() in ("yes", "true", "on", "1", "with", "enable"):
            yield {"types": "", "uris": "", "suites": "", "components": ""} | entry
