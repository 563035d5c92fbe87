# SPDX-License-Identifier: Apache-2.0
"""The argument of VFIO_DEVICE_SET_IRQS."""

import struct

import pytest

from midway.kernel.irq_set import Action, irq_set
from midway.uapi import vfio

HEADER = struct.Struct("=5I")


@pytest.mark.parametrize(
    ("action", "bit"),
    [
        (Action.MASK, vfio.VFIO_IRQ_SET_ACTION_MASK),
        (Action.UNMASK, vfio.VFIO_IRQ_SET_ACTION_UNMASK),
        (Action.TRIGGER, vfio.VFIO_IRQ_SET_ACTION_TRIGGER),
    ],
)
def test_every_action_without_data_acts_on_all(action: Action, bit: int) -> None:
    argument = irq_set(action, 3)
    assert bytes(argument) == HEADER.pack(20, bit | vfio.VFIO_IRQ_SET_DATA_NONE, 3, 0, 1)


def test_eventfds_are_signed_and_counted() -> None:
    argument = irq_set(Action.TRIGGER, 1, eventfds=[7, -1])
    flags = vfio.VFIO_IRQ_SET_ACTION_TRIGGER | vfio.VFIO_IRQ_SET_DATA_EVENTFD
    assert bytes(argument) == HEADER.pack(28, flags, 1, 0, 2) + struct.pack("=2i", 7, -1)


def test_booleans_are_one_byte_each() -> None:
    argument = irq_set(Action.MASK, 0, flags=[True, False, True])
    flags = vfio.VFIO_IRQ_SET_ACTION_MASK | vfio.VFIO_IRQ_SET_DATA_BOOL
    assert bytes(argument) == HEADER.pack(23, flags, 0, 0, 3) + b"\1\0\1"


def test_a_count_of_zero_takes_all_triggers_back() -> None:
    flags = vfio.VFIO_IRQ_SET_ACTION_TRIGGER | vfio.VFIO_IRQ_SET_DATA_NONE
    assert bytes(irq_set(Action.TRIGGER, 2, count=0)) == HEADER.pack(20, flags, 2, 0, 0)


def test_two_kinds_of_data_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="either"):
        irq_set(Action.TRIGGER, 0, eventfds=[1], flags=[True])
