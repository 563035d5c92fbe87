# SPDX-License-Identifier: Apache-2.0
"""Interrupt modes that are asked for, for all lines of a device or for some."""

import pytest

from midway.config import InterruptMode
from midway.errors import PlanError
from midway.passthrough.routes import DevicePlan
from unit.planned import plan

LEVEL, EDGE = 4, 1
FORWARD, IRQFD, USERSPACE = InterruptMode.FORWARD, InterruptMode.IRQFD, InterruptMode.USERSPACE


def clock(irq: InterruptMode | dict[str, InterruptMode] | None, second: str = f"0 8 {LEVEL}") -> DevicePlan:
    """A device with the lines 0, "alarm", and 1, "tick"."""
    lines = f'interrupts = <0 7 {LEVEL}>, <{second}>; interrupt-names = "alarm", "tick";'
    return plan(f'd@10000 {{ compatible = "x"; reg = <0 0x10000 0 0x1000>; {lines} }};', irq=irq)


def modes(found: DevicePlan) -> list[tuple[InterruptMode, bool]]:
    return [(route.mode, route.asked) for route in found.lines]


def test_one_mode_is_that_of_all_lines() -> None:
    assert modes(clock(USERSPACE)) == [(USERSPACE, True), (USERSPACE, True)]


@pytest.mark.parametrize("line", ["1", "tick"])
def test_a_line_is_named_by_its_index_or_its_name_and_the_others_have_the_best_mode(line: str) -> None:
    assert modes(clock({line: IRQFD})) == [(FORWARD, False), (IRQFD, True)]


def test_each_line_can_have_a_mode_of_its_own() -> None:
    assert modes(clock({"0": USERSPACE, "tick": IRQFD})) == [(USERSPACE, True), (IRQFD, True)]


def test_only_the_line_that_was_asked_to_be_forwarded_is_told_of_its_edge() -> None:
    found = clock({"tick": FORWARD}, second=f"0 8 {EDGE}")
    assert modes(found) == [(FORWARD, False), (IRQFD, True)]
    assert [finding.code for finding in found.findings].count("line-edge") == 1


def test_a_line_that_is_not_there_is_an_error_that_names_those_that_are() -> None:
    with pytest.raises(PlanError, match=r"mode for line 2: .*no such line.*0 \(alarm\), 1 \(tick\)"):
        clock({"2": IRQFD})


def test_a_line_that_is_another_one_is_an_error_that_names_the_other() -> None:
    with pytest.raises(PlanError, match=r"same interrupt as line 0.*say irq\.0"):
        clock({"1": IRQFD}, second=f"0 7 {LEVEL}")


def test_a_line_that_is_named_by_index_and_by_name_is_an_error() -> None:
    with pytest.raises(PlanError, match="line 1 has a mode already"):
        clock({"1": IRQFD, "tick": FORWARD})
