# SPDX-License-Identifier: Apache-2.0
"""QEMU's command line for a board."""

from collections.abc import Iterator
from pathlib import Path

from midway.lab.board_tree import board_tree
from midway.lab.boards import Board
from midway.lab.frames import CHANNEL_NAME
from midway.lab.root import Root

__all__ = ["INITRAMFS", "emulator_arguments"]

INITRAMFS = "initramfs"  # file name within the scratch directory
_ROOT_SERIAL = "midway-root"  # as onboard/initramfs-init.sh looks for it
_CARD = "midway-card"
_USB_DISK = "midway-usb"
_FREE_RUNNING = ("-accel", "tcg,thread=multi")
_COUNTED = ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")
_SPARE_SIZE = 64 * 1024 * 1024  # bytes, sparse


def emulator_arguments(
    board: Board, root: Root, scratch: Path, *, channel: int, uart: int, nic: int | None = None, quiet: bool
) -> list[str]:
    """What QEMU is told to be `board`.

    The directory `scratch` holds the initramfs and receives the board's writable images; `channel` and `uart`
    are inherited descriptors of sockets, and so is `nic`, whose other end is another board's: without it the
    spare NIC is on a user-mode network of its own.  `quiet` keeps the kernel's console to what is wrong.
    """
    hardware = [*board.machine, "-m", f"{board.memory}M"]
    tree = []
    if board.own_tree or board.adds_counters:
        (scratch / "corrected.dtb").write_bytes(board_tree(board, hardware, scratch))
        tree = ["-dtb", str(scratch / "corrected.dtb")]
    # A kernel that panics or oopses reboots, which ends QEMU: that is how a board's death is seen at once.
    kernel_arguments = [*board.arguments, "panic=-1", "oops=panic", "quiet" if quiet else "loglevel=7"]
    return [
        *hardware,
        *tree,
        *(_COUNTED if board.icount else _FREE_RUNNING),
        *("-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-monitor", "none"),
        *("-kernel", str(root.kernel_image), "-initrd", str(scratch / INITRAMFS)),
        *("-append", " ".join(kernel_arguments)),
        *("-chardev", "stdio,id=console,signal=off,mux=on", "-chardev", f"socket,id=uart,fd={uart}"),
        *("-chardev", f"socket,id=channel,fd={channel}"),
        *("-device", f"virtio-serial-device,id=channels,bus=virtio-mmio-bus.{board.channel_slot}"),
        *board.console,
        *("-device", f"virtserialport,bus=channels.0,nr=1,chardev=channel,name={CHANNEL_NAME}"),
        *_disk("root", f"file={root.image},readonly=on", board.root_slot, _ROOT_SERIAL),
        # Else the first program that needs randomness waits for it for a second.
        *("-device", f"virtio-rng-device,bus=virtio-mmio-bus.{board.randomness_slot}"),
        *board.network,
        *(
            "-netdev",
            "user,id=spare,ipv6=off" if nic is None else f"stream,id=spare,addr.type=fd,addr.str={nic}",
        ),
        *board.spare_nic,
        *_spare_storage(board, scratch),
    ]


def _spare_storage(board: Board, scratch: Path) -> Iterator[str]:
    for disk in board.spare_disks:
        yield from _disk(disk.name, f"file={_blank_image(scratch, disk.name)}", disk.slot, disk.name)
    if board.card:
        yield from ("-drive", f"if=sd,index=0,format=raw,file={_blank_image(scratch, _CARD)}")
    if board.usb_disk:
        yield from ("-drive", f"if=none,id={_USB_DISK},format=raw,file={_blank_image(scratch, _USB_DISK)}")
        yield from ("-device", f"usb-storage,drive={_USB_DISK},serial={_USB_DISK}")


def _disk(name: str, source: str, slot: int, serial: str) -> tuple[str, ...]:
    drive = f"if=none,id={name},format=raw,{source}"
    device = f"virtio-blk-device,bus=virtio-mmio-bus.{slot},drive={name},serial={serial}"
    return ("-drive", drive, "-device", device)


def _blank_image(scratch: Path, name: str) -> Path:
    image = scratch / name
    with image.open("wb") as file:
        file.write(f"{name}\n".encode())
        file.truncate(_SPARE_SIZE)
    return image
