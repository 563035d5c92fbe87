# SPDX-License-Identifier: Apache-2.0
"""What an interrupt costs, from counts that are made up."""

from collections import Counter

from midway.lab.irq_cost_report import as_json
from midway.measure.exits import ExitCounts
from midway.measure.irq_cost import ModeCost, agreement, mode_cost, saved_exits


def cost(mode: str, *, exits: float, delivery: float, completion: float) -> ModeCost:
    return ModeCost(mode, 100, 100, 100, exits, 0.0, delivery, completion, {})


def test_everything_is_per_interrupt_of_the_line() -> None:
    # The trace has the handlers of other devices too, which are not this line's interrupts.
    counts = ExitCounts(150, 100, 100, 20, 100, 0, Counter({"WFx": 30}))
    traffic = {"interrupts": 100, "exits": 150, "wakeups": 0}
    found = mode_cost("irqfd", traffic, counts, guest=100, device=99)
    assert (found.exits, found.delivery, found.completion) == (1.5, 0.2, 1.0)
    assert found.other == {"WFx": 0.3}
    assert (found.host, found.guest, found.device) == (100, 100, 99)


def test_modes_are_compared_with_the_one_of_the_fewest_exits() -> None:
    forward = cost("forward", exits=3.0, delivery=0.1, completion=0.0)
    irqfd = cost("irqfd", exits=4.0, delivery=0.1, completion=1.0)
    (found,) = agreement([forward, irqfd])
    assert (found.mode, found.than, found.by_statistics) == ("irqfd", "forward", 1.0)
    assert found.holds


def test_counts_that_are_more_than_a_twentieth_apart_do_not_agree() -> None:
    forward = cost("forward", exits=3.0, delivery=0.1, completion=0.0)
    irqfd = cost("irqfd", exits=4.0, delivery=0.1, completion=0.94)
    (found,) = agreement([forward, irqfd])
    assert not found.holds


def test_what_forwarding_saves_is_the_difference_of_all_exits() -> None:
    forward = cost("forward", exits=3.0, delivery=0.1, completion=0.0)
    irqfd = cost("irqfd", exits=3.75, delivery=0.1, completion=1.0)
    assert saved_exits([forward, irqfd]) == 0.75
    assert as_json("virt", [forward, irqfd])["saved_exits_per_irq"] == 0.75
    assert saved_exits([forward]) is None


def test_the_json_says_whether_the_counts_agree() -> None:
    forward = cost("forward", exits=3.0, delivery=0.1, completion=0.0)
    irqfd = cost("irqfd", exits=4.0, delivery=0.1, completion=1.0)
    written = as_json("virt", [forward, irqfd])
    assert written["modes"]["irqfd"]["completion_exits_per_irq"] == 1.0
    assert [found["holds"] for found in written["agreement"]] == [True]
