# SPDX-License-Identifier: Apache-2.0
"""What an interrupt costs in each mode, told from the kernel's trace and checked against KVM's statistics."""

import pytest

from midway.lab.irq_cost import count_exits
from midway.lab.running import RunningBoard
from midway.measure.irq_cost import ModeCost, agreement

INTERRUPTS = 500


@pytest.fixture(scope="module")
def costs() -> dict[str, ModeCost]:
    """By mode; measured by the first test that asks."""
    return {}


@pytest.fixture
def measured(virt: RunningBoard, costs: dict[str, ModeCost]) -> dict[str, ModeCost]:
    if not costs:
        costs.update({cost.mode: cost for cost in count_exits(virt, INTERRUPTS)})
    return costs


def test_a_forwarded_interrupt_is_completed_without_an_exit(measured: dict[str, ModeCost]) -> None:
    completion = measured["forward"].completion
    assert completion is not None
    assert completion <= 0.02


@pytest.mark.parametrize("mode", ["irqfd", "userspace"])
def test_any_other_interrupt_is_completed_by_an_exit(measured: dict[str, ModeCost], mode: str) -> None:
    completion = measured[mode].completion
    assert completion is not None
    assert completion >= 0.95


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
