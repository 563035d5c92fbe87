# SPDX-License-Identifier: Apache-2.0
"""What a guest finds in its RAM: kernel and initrd."""

from pathlib import Path
from typing import Self

import msgspec

from midway.board.images import KernelImage, file_size, inspect_kernel, load_file, load_kernel
from midway.board.memory import BootLayout, place_images
from midway.board.plan import Bank
from midway.config import MachineConfig
from midway.kernel.memory import GuestMemory

__all__ = ["BootImages", "banks_of"]


class BootImages(msgspec.Struct, frozen=True):
    """The files a guest boots from; `initrd_size` is in bytes, 0 without an initrd."""

    kernel: KernelImage
    initrd: Path | None
    initrd_size: int

    @classmethod
    def of(cls, config: MachineConfig) -> Self:
        """Looked into, not loaded.  Raises ImageError."""
        kernel = inspect_kernel(Path(config.kernel))
        initrd = None if config.initrd is None else Path(config.initrd)
        return cls(kernel, initrd, 0 if initrd is None else file_size(initrd, what="initrd"))

    def load(self, memory: GuestMemory) -> BootLayout:
        """Read both to where the planner has them in these banks.  Raises ImageError and PlanError."""
        layout = place_images(
            banks_of(memory),
            image_size=self.kernel.size,
            text_offset=self.kernel.text_offset,
            initrd_size=self.initrd_size,
        )
        load_kernel(self.kernel, memory.view(layout.kernel, self.kernel.size))
        if self.initrd is not None and layout.initrd is not None:
            load_file(self.initrd, memory.view(layout.initrd.address, self.initrd_size), what="initrd")
        return layout


def banks_of(memory: GuestMemory) -> tuple[Bank, ...]:
    """The guest's RAM as the planner takes it."""
    return tuple(Bank(extent.address, extent.size) for extent in memory.extents)
