# SPDX-License-Identifier: Apache-2.0
"""Counters at moments that the guest chooses."""

import pytest

from midway.vm.marks import Interval, LineCount, MarksRegister, Snapshot, VcpuCount, between


def snapshot(label: int, seconds: float, exits: int, returns: int, host: int | None) -> Snapshot:
    return Snapshot(
        label,
        seconds,
        (
            VcpuCount(0, {"exits": exits, "wfi_exit_stat": 5}, {"mmio": returns, "signal": 1}),
            VcpuCount(1, {"exits": 10}, {}),
        ),
        (LineCount("ff0d0000.ethernet", 0, 1, "irqfd", host, 0),),
    )


def test_between_two_marks_the_second_marks_own_exit_is_left_out() -> None:
    earlier, later = snapshot(1, 2.0, 1000, 50, 3), snapshot(2, 5.5, 1201, 51, 103)
    assert between(earlier, later) == Interval(
        seconds=3.5, exits=200, user_exits=0, wakeups=0, interrupts=100
    )


def test_lines_that_nothing_counts_count_as_none() -> None:
    earlier, later = snapshot(1, 2.0, 1000, 50, None), snapshot(2, 5.5, 1201, 51, None)
    assert between(earlier, later).interrupts == 0


def test_every_write_records_its_first_byte() -> None:
    register = MarksRegister(lambda label: snapshot(label, 0.0, 0, 0, 0))
    register.write(0, b"\7")
    register.write(0, b"\x09\0\0\0")
    register.write(4, b"\1")
    assert [mark.label for mark in register.snapshots] == [7, 9]


def test_the_guest_can_read_how_many_marks_there_are() -> None:
    register = MarksRegister(lambda label: snapshot(label, 0.0, 0, 0, 0))
    register.write(0, b"\1")
    assert register.read(0, 4) == b"\1\0\0\0"
    assert register.read(4, 1) == b"\0"


def test_a_guest_that_marks_without_end_takes_no_more_memory_and_is_told_of() -> None:
    recorded: list[int] = []

    def record(label: int) -> Snapshot:
        recorded.append(label)
        return snapshot(label, 0.0, 0, 0, 0)

    register = MarksRegister(record)
    for _ in range(1024):
        register.write(0, b"\1")
    assert register.findings() == ()
    for _ in range(3):
        register.write(0, b"\2")
    assert [mark.label for mark in register.snapshots] == recorded == [1] * 1024
    (finding,) = register.findings()
    assert (finding.code, register.not_kept) == ("marks-not-kept", 3)
    assert "3 of its marks" in finding.cause


def test_a_snapshot_is_json_with_names() -> None:
    found = snapshot(3, 1.23456789, 7, 2, 4).as_json()
    assert found["seconds"] == pytest.approx(1.234568)
    assert found["vcpus"][0] == {
        "vcpu": 0,
        "kvm": {"exits": 7, "wfi_exit_stat": 5},
        "returns": {"mmio": 2, "signal": 1},
    }
    assert found["lines"][0]["host"] == 4
