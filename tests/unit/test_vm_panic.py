# SPDX-License-Identifier: Apache-2.0
"""Learning that the guest's kernel panicked."""

import pytest

from midway.vm.panic import PanicRegister, PanicWatch

LAST = b"---[ end Kernel panic - not syncing: Attempted to kill init! ]---\r\n"


@pytest.fixture
def said() -> list[str]:
    return []


def test_the_register_understands_two_events(said: list[str]) -> None:
    assert PanicRegister(said.append).read(0, 1) == b"\3"


def test_writing_panicked_to_the_register_tells(said: list[str]) -> None:
    register = PanicRegister(said.append)
    register.write(0, b"\2")
    assert said == []
    register.write(0, b"\1")
    assert len(said) == 1


@pytest.mark.parametrize(
    "prefix", [b"", b"[    1.234567] ", b"<0>[   12.345678] ", b"[    3.000001][    T1] "]
)
def test_linux_last_line_after_a_panic_tells_its_first(said: list[str], prefix: bytes) -> None:
    watch = PanicWatch(said.append)
    watch.see(prefix + b"Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n")
    assert watch.message == "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"
    assert said == []
    watch.see(prefix + b"CPU: 0 PID: 1 Comm: init\r\n" + prefix + LAST)
    assert said == ["Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100"]


def test_bytes_may_come_one_at_a_time(said: list[str]) -> None:
    watch = PanicWatch(said.append)
    for byte in b"Kernel panic - not syncing: oops\n" + LAST:
        watch.see(bytes((byte,)))
    assert said == ["Kernel panic - not syncing: oops"]


@pytest.mark.parametrize(
    "line", [b"echo Kernel panic - not syncing\n", b"[ 1.0] note: Kernel panic - not syncing\n"]
)
def test_a_mention_of_a_panic_is_none(said: list[str], line: bytes) -> None:
    watch = PanicWatch(said.append)
    watch.see(line + LAST)
    assert watch.message == ""
    assert said == []


def test_a_line_without_end_takes_no_memory(said: list[str]) -> None:
    watch = PanicWatch(said.append)
    watch.see(b"x" * 100_000)
    assert len(watch._line) <= 256
