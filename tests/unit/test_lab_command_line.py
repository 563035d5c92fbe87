# SPDX-License-Identifier: Apache-2.0
"""The command line as a user meets it: one line for an error, the right exit status, only what is needed
loaded.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from midway.cli import COMMANDS, main
from midway.errors import DeviceError


def test_every_command_is_listed_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS)


def test_the_help_of_midway_imports_no_command() -> None:
    program = """
import sys
from midway.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
modules = [name for name in sys.modules if name.startswith("midway.")]
print(sorted(modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "['midway.cli', 'midway.cli.collector', 'midway.cli.help', 'midway.errors']"


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_lab_run_without_a_command_is_a_usage_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "run", "--"]) == 2
    assert capsys.readouterr().err == "midway: no command to run on the board (give one after --)\n"


def test_a_shell_without_a_terminal_is_refused_before_a_board_is_booted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lab", "up"]) == 2
    assert "needs a terminal" in capsys.readouterr().err


def test_an_error_is_raised_with_its_traceback_when_debugging(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MIDWAY_DEBUG", "1")
    with pytest.raises(DeviceError):
        run_raising(monkeypatch, DeviceError("cannot be claimed", device="a.serial"))


def test_an_error_is_one_line_and_its_own_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MIDWAY_DEBUG", raising=False)
    assert run_raising(monkeypatch, DeviceError("cannot be claimed", device="a.serial")) == 1
    assert capsys.readouterr().err == "midway: a.serial: cannot be claimed\n"


def test_an_interrupt_ends_with_the_shells_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_raising(monkeypatch, KeyboardInterrupt()) == 130


def run_raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("midway.cli.lab.run", fail)
    return main(["lab", "status"])


def test_status_as_json_tells_of_an_empty_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["lab", "status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["cache"] == str(tmp_path / "midway")
    assert status["artefacts"] == []
    assert status["kernel"] is None


def midway(arguments: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "midway", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **options)


def test_a_full_disk_under_the_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = midway(["doctor", "--json"], stdout=full)
    assert done.returncode == 1
    assert done.stderr == "midway: [Errno 28] No space left on device\n"


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    done = midway(["lab", "run", "--", "true"], env=environment)
    assert done.returncode == 1
    assert done.stderr.endswith(f"Not a directory: '{tmp_path}/file/midway/locks'\n")
    assert "Traceback" not in done.stderr


def test_with_standard_error_closed_messages_do_not_go_to_standard_output() -> None:
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "midway", "claim", "nothing"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
