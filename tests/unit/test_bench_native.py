# SPDX-License-Identifier: Apache-2.0
"""How tools are run on the host itself."""

from pathlib import Path

import pytest

from midway.bench.native_mode import _run
from midway.errors import HostError


def test_a_tool_that_takes_too_long_is_asked_to_end_and_undoes_what_it_began(tmp_path: Path) -> None:
    script = "trap 'kill $!; echo undone >told; exit' TERM; sleep 100 & wait"
    with pytest.raises(HostError, match="sh did not end within 1 s"):
        _run(("sh", "-c", f"cd {tmp_path}; {script}"), "loading", 1.0)
    assert (tmp_path / "told").read_text() == "undone\n"


def test_a_tool_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(HostError, match="loading: sh exits with 3: it broke"):
        _run(("sh", "-c", "echo it broke >&2; exit 3"), "loading", 60.0)


def test_what_a_tool_printed_is_what_comes_back() -> None:
    assert _run(("echo", "done"), "loading", 60.0) == "done\n"
