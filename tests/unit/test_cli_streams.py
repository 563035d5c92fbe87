# SPDX-License-Identifier: Apache-2.0
"""Commands whose standard output or standard error the caller has closed."""

import subprocess
import sys

import pytest

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
