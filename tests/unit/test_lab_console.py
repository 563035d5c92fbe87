# SPDX-License-Identifier: Apache-2.0
"""The console's last words name what killed a board."""

from midway.lab.console import last_words


def test_the_cause_is_shown_even_when_a_long_trace_follows_it() -> None:
    trace = "\n".join(f"[ 1.{number}] frame {number}" for number in range(40))
    words = last_words(f"[ 1.0] boot\n[ 1.0] Kernel panic - not syncing: sysrq\n{trace}\n")
    assert "Kernel panic - not syncing: sysrq" in words
    assert "frame 39" in words
    assert "boot" not in words


def test_lines_are_shown_once_and_empty_ones_not() -> None:
    assert last_words("\none\n\nKernel panic - not syncing: x\n") == (
        "its console's last words:\n    one\n    Kernel panic - not syncing: x"
    )


def test_a_silent_console_is_said_to_be_silent() -> None:
    assert last_words("\n") == "its console said nothing"
