# SPDX-License-Identifier: Apache-2.0
"""A test whose board is lost is LOST and run again; only a second loss, or a failure, fails the run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "lab/conftest.py"
LOSE = 'raise BoardLostError("the board toy is lost")'


@pytest.fixture
def run_tests(tmp_path: Path) -> "RunTests":
    return RunTests(tmp_path)


class RunTests:
    """Runs a test body under the lab's conftest; `times` counts its runs."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "log"
        shutil.copy(CONFTEST, directory / "conftest.py")

    def __call__(self, *body: str) -> "subprocess.CompletedProcess[str]":
        lines = [
            "from pathlib import Path",
            "from midway.errors import BoardLostError",
            "def test_it():",
            f"    log = Path({str(self._log)!r})",
            "    log.open('a').write('run\\n')",
            "    times = len(log.read_text().splitlines())",
            *(f"    {line}" for line in body),
        ]
        (self._directory / "test_toy.py").write_text("\n".join(lines))
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(self._directory),
        ]
        return subprocess.run(
            [*command, str(self._directory)],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def times(self) -> int:
        return len(self._log.read_text().splitlines())


def test_a_test_that_passes_on_a_new_board_passes_and_the_loss_is_told(run_tests: RunTests) -> None:
    done = run_tests(f"if times == 1: {LOSE}")
    assert done.returncode == 0
    assert "1 passed, 1 lost" in done.stdout
    assert "run again on a new board. the board toy is lost" in done.stdout


def test_a_second_loss_fails_the_run(run_tests: RunTests) -> None:
    done = run_tests(LOSE)
    assert done.returncode == 1
    assert run_tests.times == 2
    assert "1 failed, 1 lost" in done.stdout


def test_a_failure_is_not_repeated(run_tests: RunTests) -> None:
    done = run_tests("assert False")
    assert done.returncode == 1
    assert run_tests.times == 1
    assert "1 failed" in done.stdout
    assert "lost" not in done.stdout
