# SPDX-License-Identifier: Apache-2.0
"""The emulated boards as values: what QEMU is told to make them, and what their kernel is told."""

from dataclasses import dataclass, replace

from midway.errors import LabError

__all__ = ["BOARDS", "DEFAULT_BOARD", "Board", "board_named"]


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of emulated board.  `memory` is in MiB."""

    name: str
    summary: str
    machine: tuple[str, ...]
    memory: int
    virtio: str  # suffix of QEMU's virtio device models on this board: "device" (mmio) or "pci"
    console: tuple[str, ...]  # what makes the kernel's console out of the character device "console"
    network: tuple[str, ...]
    modules: tuple[str, ...]  # to reach the root disk and the result channel
    arguments: tuple[str, ...]  # of the kernel's command line

    def with_memory(self, memory: int, *arguments: str) -> "Board":
        """The same board with other memory, in MiB, and further kernel arguments."""
        return replace(self, memory=memory, arguments=(*self.arguments, *arguments))


_VERSAL = Board(
    name="versal",
    summary="AMD Versal: two Cortex-A72 (nVHE), GICv3, two Cadence Ethernet MACs",
    machine=("-M", "xlnx-versal-virt"),
    memory=4096,
    virtio="device",
    console=("-serial", "chardev:console", "-serial", "chardev:uart"),
    network=("-nic", "user,ipv6=off", "-nic", "user,ipv6=off"),
    modules=(
        "virtio_mmio",
        "virtio_blk",
        "virtio_console",
        "ext4",
        "crc32c_generic",
        "overlay",
        "macb",
        "virtio_rng",
    ),
    # Of 4 GiB the board has two at 0 and two at 0x8_0000_0000, where the huge page then is.
    arguments=("console=ttyAMA0,115200", "hugepagesz=1G", "hugepages=1", "hugepagesz=2M", "hugepages=16"),
)

BOARDS = {board.name: board for board in (_VERSAL,)}
DEFAULT_BOARD = _VERSAL.name


def board_named(name: str) -> Board:
    """Raises LabError for a name that no board has."""
    try:
        return BOARDS[name]
    except KeyError:
        raise LabError(
            f"there is no emulated board called {name}", remedy=f"one of: {', '.join(BOARDS)}"
        ) from None
