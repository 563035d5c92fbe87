# SPDX-License-Identifier: Apache-2.0
"""What an interrupt costs in each mode, told from the kernel's trace and checked against KVM's statistics."""

from typing import TYPE_CHECKING

import pytest

from midway.lab.irq_cost import BOARDS, measure
from midway.measure.irq_cost import SAVING, ModeCost, agreement, saved_exits

if TYPE_CHECKING:
    from lab.conftest import BoardPool

INTERRUPTS = 300


@pytest.fixture(scope="module", params=BOARDS)
def measured(request: pytest.FixtureRequest, board_pool: "BoardPool") -> dict[str, ModeCost]:
    """By mode, on a board of its own whose clock counts instructions."""
    board_pool.close()
    return {cost.mode: cost for cost in measure(request.param, INTERRUPTS)}


def test_a_forwarded_interrupt_is_completed_without_an_exit(measured: dict[str, ModeCost]) -> None:
    completion = measured["forward"].completion
    assert completion is not None
    assert completion <= 0.02


@pytest.mark.parametrize("mode", ["irqfd", "userspace"])
def test_any_other_interrupt_is_completed_by_an_exit(measured: dict[str, ModeCost], mode: str) -> None:
    completion = measured[mode].completion
    assert completion is not None
    assert completion >= 0.95


def test_forwarding_saves_an_exit(measured: dict[str, ModeCost]) -> None:
    saved = saved_exits(list(measured.values()))
    assert saved is not None
    assert saved >= SAVING


def test_a_forwarded_interrupt_takes_the_fewest_instructions_and_userspace_the_most(
    measured: dict[str, ModeCost],
) -> None:
    instructions = [measured[mode].instructions or 0.0 for mode in ("forward", "irqfd", "userspace")]
    assert 0 < instructions[0] < instructions[1] < instructions[2]


@pytest.mark.parametrize("mode", ["forward", "irqfd"])
def test_no_interrupt_goes_through_user_space_unless_it_is_asked_to(
    measured: dict[str, ModeCost], mode: str
) -> None:
    assert measured[mode].user_exits == 0
    assert measured["userspace"].user_exits >= 1


def test_host_guest_and_device_count_the_same(measured: dict[str, ModeCost]) -> None:
    for cost in measured.values():
        assert cost.host == cost.guest == cost.device == INTERRUPTS


def test_the_trace_explains_the_exits_that_kvm_counts(measured: dict[str, ModeCost]) -> None:
    assert all(found.holds for found in agreement(list(measured.values())))
