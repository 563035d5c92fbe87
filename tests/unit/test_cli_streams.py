# SPDX-License-Identifier: Apache-2.0
"""Commands whose standard files are not as usual, or whose host is not."""

import os
import subprocess
import sys
from collections import namedtuple

import pytest

from midway.cli import main

COMMANDS = ["driver status", "lab status", "doctor"]  # of which the last prints a table


def status_of(command: str, redirection: str) -> tuple[int, str]:
    shell = f'exec "$0" -m midway {command} {redirection}'
    done = subprocess.run(["sh", "-c", shell, sys.executable], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_without_standard_output_a_command_ends_as_it_does_when_nobody_looks(command: str) -> None:
    assert status_of(command, ">&-") == status_of(command, ">/dev/null")


def test_a_guest_is_not_run_without_a_place_for_its_console() -> None:
    status, said = status_of("run --kernel /nonexistent", ">&-")
    assert status == 2
    assert "standard output is closed" in said


def test_help_is_printed_also_where_the_locale_cannot_spell_all_of_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "midway", "run", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--pin CPU,\\u2026" in done.stdout


def test_instructions_are_not_counted_by_another_architectures_system_calls(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = namedtuple("names", "machine")
    monkeypatch.setattr(os, "uname", lambda: names("x86_64"))
    monkeypatch.setattr("midway.cli.run._standard_files", lambda: (None, 1))
    assert main(["run", "--kernel", "Image", "--count-instructions"]) == 1
    assert "this is a x86_64 host" in capsys.readouterr().err
