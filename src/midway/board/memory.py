# SPDX-License-Identifier: Apache-2.0
"""Guest RAM: where it is when nothing dictates its place, and what the boot protocol puts into it.

The rules are those of Documentation/arm64/booting.rst.
"""

from collections.abc import Sequence

import msgspec

from midway.board.address_map import PAGE, align_up
from midway.board.plan import Bank, Window
from midway.config import MachineConfig
from midway.devicetree.write import LARGEST_TREE
from midway.errors import PlanError

__all__ = ["BootLayout", "anonymous_banks", "place_images"]

_MEBIBYTE = 1 << 20
_GIBIBYTE = 1 << 30
_KERNEL_ALIGNMENT = 2 * _MEBIBYTE


def anonymous_banks(config: MachineConfig, keep_clear: Sequence[Window] = ()) -> tuple[Bank, ...]:
    """RAM in one piece, at the lowest GiB but the first where nothing of `keep_clear` is.

    The first GiB is left to devices, within reach of guests that know 32 bits only.
    """
    size = config.memory * _MEBIBYTE
    address = _GIBIBYTE
    for window in sorted(keep_clear, key=lambda window: window.address):
        if window.address < address + size and address < window.address + window.size:
            address = align_up(window.address + window.size, _GIBIBYTE)
    return (Bank(address, size),)


class BootLayout(msgspec.Struct, frozen=True):
    """Guest physical addresses of what the guest finds in its RAM; `initrd` is None without one."""

    kernel: int
    tree: int
    initrd: Window | None


def place_images(banks: Sequence[Bank], *, image_size: int, text_offset: int, initrd_size: int) -> BootLayout:
    """Kernel, tree and initrd, in this order, in the first bank that has room for all.

    The kernel starts `text_offset` above a multiple of 2 MiB, `image_size` is what it occupies in memory; the
    tree has 2 MiB for itself.  Raises PlanError when no bank has room.
    """
    for bank in sorted(banks, key=lambda bank: bank.address):
        kernel = align_up(bank.address, _KERNEL_ALIGNMENT) + text_offset
        tree = align_up(kernel + image_size, _KERNEL_ALIGNMENT)
        initrd = tree + LARGEST_TREE
        if align_up(initrd + initrd_size, PAGE) <= bank.address + bank.size:
            return BootLayout(kernel, tree, Window(initrd, initrd_size) if initrd_size else None)
    need = align_up(text_offset + image_size, _KERNEL_ALIGNMENT) + LARGEST_TREE + align_up(initrd_size, PAGE)
    largest = max((bank.size for bank in banks), default=0)
    raise PlanError(
        "placing kernel and initrd in the guest's RAM",
        answer=f"they need {-(-need // _MEBIBYTE)} MiB together, the largest has {largest // _MEBIBYTE} MiB",
        remedy="give the VM more memory",
    )
