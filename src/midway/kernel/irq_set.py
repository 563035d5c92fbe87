# SPDX-License-Identifier: Apache-2.0
"""The argument of VFIO_DEVICE_SET_IRQS, for every action and kind of data."""

import struct
from collections.abc import Sequence
from enum import IntEnum

from midway.uapi import vfio

__all__ = ["Action", "irq_set"]


class Action(IntEnum):
    """What is done to a line, or by whom: with an eventfd, whoever signals that."""

    MASK = vfio.VFIO_IRQ_SET_ACTION_MASK
    UNMASK = vfio.VFIO_IRQ_SET_ACTION_UNMASK
    TRIGGER = vfio.VFIO_IRQ_SET_ACTION_TRIGGER


def irq_set(
    action: Action,
    index: int,
    *,
    count: int = 1,
    start: int = 0,
    eventfds: Sequence[int] | None = None,
    flags: Sequence[bool] | None = None,
) -> bytearray:
    """`eventfds` (-1 takes one back) or `flags` (where to act), one for each of `count`; else act on all.

    A trigger without data and with count 0 takes all back (include/uapi/linux/vfio.h, VFIO_DEVICE_SET_IRQS).
    """
    if eventfds is not None and flags is not None:
        raise ValueError("either eventfds or flags")
    if eventfds is not None:
        kind, data, count = (
            vfio.VFIO_IRQ_SET_DATA_EVENTFD,
            struct.pack(f"={len(eventfds)}i", *eventfds),
            len(eventfds),
        )
    elif flags is not None:
        kind, data, count = vfio.VFIO_IRQ_SET_DATA_BOOL, bytes(flags), len(flags)
    else:
        kind, data = vfio.VFIO_IRQ_SET_DATA_NONE, b""
    argument = vfio.IRQ_SET.pack(
        argsz=vfio.IRQ_SET.size + len(data), flags=kind | action, index=index, start=start, count=count
    )
    return argument + data
