# SPDX-License-Identifier: Apache-2.0
"""An instance of the kernel's tracer is removed at its end, whatever that is."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from midway.errors import KernelError
from midway.host.tracing import TraceInstance

CONTROLS = ("tracing_on", "buffer_size_kb", "trace_clock", "options/overwrite")


@pytest.fixture
def tracefs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which instances come with their files, and go only when none of these is open."""
    instances = tmp_path / "instances"
    instances.mkdir()
    make = Path.mkdir

    def mkdir(directory: Path) -> None:
        make(directory)
        make(directory / "options")
        for name in CONTROLS:
            (directory / name).touch()
        (directory / "trace").write_text("one\ntwo\n")

    def rmdir(directory: Path) -> None:
        if any(path.is_relative_to(directory) for path in open_files()):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        shutil.rmtree(directory)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(Path, "rmdir", rmdir)
    return tmp_path


def open_files() -> Iterator[Path]:
    for link in list(Path("/proc/self/fd").iterdir()):
        if link.is_symlink():  # the directory's own is closed by now
            yield link.readlink()


def instances(tracefs: Path) -> list[Path]:
    return list((tracefs / "instances").iterdir())


def test_an_instance_that_is_left_while_it_is_read_is_removed(tracefs: Path) -> None:
    with pytest.raises(KeyboardInterrupt), TraceInstance({}, tracefs=tracefs) as instance:  # noqa: PT012
        lines = instance.lines()
        assert next(lines) == "one\n"
        raise KeyboardInterrupt
    assert instances(tracefs) == []


@pytest.fixture
def reading() -> Iterator[ExitStack]:
    """Holds what somebody else has open."""
    with ExitStack() as files:
        yield files


def test_an_instance_that_cannot_be_removed_is_named(tracefs: Path, reading: ExitStack) -> None:
    with (
        pytest.raises(KernelError, match=r"removing the tracer's instance .*/midway-.* \[EBUSY\]"),
        TraceInstance({}, tracefs=tracefs),
    ):
        reading.enter_context((instances(tracefs)[0] / "trace").open())


def test_an_instance_that_cannot_be_removed_does_not_hide_why_it_ended(
    tracefs: Path, reading: ExitStack
) -> None:
    with pytest.raises(ZeroDivisionError), TraceInstance({}, tracefs=tracefs):  # noqa: PT012
        reading.enter_context((instances(tracefs)[0] / "trace").open())
        _ = 1 // 0
