# SPDX-License-Identifier: Apache-2.0
"""The lab takes Debian's archives from a machine's apt sources, in either format, and nobody else's."""

from pathlib import Path

import pytest

from midway.errors import LabError
from midway.lab.sources import debian_sources

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_stanzas_are_taken_with_their_key(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(
        "# a comment\nTypes: deb deb-src\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\n"
        f"Components: main contrib\nSigned-By: {KEYRING}\n"
    )
    (source,) = debian_sources(apt)
    assert str(source) == (
        "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
    )


def test_one_line_entries_are_taken_without_their_architecture(apt: Path) -> None:
    (apt / "sources.list").write_text(
        f"deb [arch=amd64 signed-by={KEYRING}] http://mirror/debian bookworm main non-free # ours\n"
        "deb-src http://mirror/debian bookworm main\n"
        "deb http://mirror/security bookworm-security main\n"
    )
    assert [(source.uris, source.suites, source.signed_by) for source in debian_sources(apt)] == [
        (("http://mirror/debian",), ("bookworm",), KEYRING),
        (("http://mirror/security",), ("bookworm-security",), None),
    ]


def test_sources_of_others_are_left_out(apt: Path) -> None:
    (apt / "sources.list").write_text("deb http://mirror/debian bookworm main\n")
    (apt / "sources.list.d/other.list").write_text(
        "deb [signed-by=/etc/other.gpg] http://other/debian bookworm main\n"
        "deb http://other/tools stable main\n"
        "deb http://other/containers bookworm stable\n"
        "deb http://mirror/debian trixie main\n"
    )
    (apt / "sources.list.d/off.sources").write_text(
        "Enabled: no\nTypes: deb\nURIs: http://mirror/old\nSuites: bookworm\nComponents: main\n"
    )
    (apt / "sources.list.d/notes.txt").write_text("deb http://mirror/notes bookworm main\n")
    assert [source.uris for source in debian_sources(apt)] == [("http://mirror/debian",)]


def test_an_inline_key_is_kept_with_its_lines(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(
        "Types: deb\nURIs: http://mirror/debian\nSuites: bookworm\nComponents: main\n"
        "Signed-By: debian-archive-keyring\n key\n .\n\nTypes: deb\nURIs: x\nSuites: sid\nComponents: main\n"
    )
    (source,) = debian_sources(apt)
    assert source.signed_by == "debian-archive-keyring\n key\n ."


def test_a_machine_without_debians_archives_is_told_what_to_add(apt: Path) -> None:
    with pytest.raises(LabError, match=r"no source for Debian bookworm in .* \(add a line such as"):
        debian_sources(apt)
