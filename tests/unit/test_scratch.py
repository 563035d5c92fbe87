# SPDX-License-Identifier: Apache-2.0
"""The files that a command makes for other programs do not pile up, however it ends."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from midway.scratch import scratch_directory

HOLDER = """
from midway.scratch import scratch_directory
with scratch_directory() as directory:
    (directory / "initrd").write_bytes(b"an image")
    print(directory, flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are, of this process and of its children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def another() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that has a directory until it is told something."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())


def test_a_directory_is_gone_after_its_block(place: Path) -> None:
    with scratch_directory() as directory:
        (directory / "file").write_text("")
        assert directory.parent == place
        assert directory.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []


def test_what_a_killed_command_left_is_removed_by_the_next(place: Path) -> None:
    with another() as (process, left):
        process.kill()
    assert (left / "initrd").exists()
    with scratch_directory() as directory:
        assert list(place.iterdir()) == [directory]


def test_what_another_command_uses_is_left_alone() -> None:
    with another() as (_, used), scratch_directory():
        assert (used / "initrd").exists()


def test_a_link_of_that_name_is_not_followed(place: Path) -> None:
    (place / "precious").mkdir()
    with scratch_directory() as directory:
        link = directory.with_name(f"{directory.name}-link")
    link.symlink_to(place / "precious")
    with scratch_directory():
        pass
    assert (place / "precious").exists()


def test_results_beside_it_are_left_alone(place: Path) -> None:
    (place / "midway-bench-before").mkdir()
    with scratch_directory():
        pass
    assert (place / "midway-bench-before").exists()
