# SPDX-License-Identifier: Apache-2.0
"""A booted board: QEMU, its console, its spare UART, and the connection to it, in one context."""

import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from midway.errors import BoardLostError
from midway.lab.boards import Board
from midway.lab.cache import Cache
from midway.lab.connection import BoardConnection
from midway.lab.frames import CHANNEL_NAME
from midway.lab.initramfs import build_initramfs
from midway.lab.machine import Machine, start_machine
from midway.lab.payload import build_payload
from midway.lab.progress import step
from midway.lab.root import Root, root_recipe

__all__ = ["RunningBoard", "start_board"]

_BOOT_TIMEOUT = 180.0  # seconds; a loaded machine needs about 20
_LAST_LINES = 12


class RunningBoard(BoardConnection):
    """A board that answers: run commands and move files with the methods of its connection.

    `uart` is the other end of the board's spare UART: what is sent there the board receives, and the other
    way round.
    """

    def __init__(
        self, board: Board, root: Root, machine: Machine, channel: socket.socket, uart: socket.socket
    ) -> None:
        self.board = board
        self.root = root
        self.machine = machine
        self.uart = uart
        super().__init__(channel, self._lost_error)

    @property
    def console(self) -> str:
        """Everything the board's console has said so far."""
        return self.machine.console

    def _lost_error(self) -> BoardLostError:
        lines = [line for line in self.console.splitlines() if line.strip()][-_LAST_LINES:]
        said = "".join(f"\n    {line}" for line in lines) or " nothing"
        return BoardLostError(
            f"the board {self.board.name} is lost", answer=f"its console's last lines:{said}"
        )


@contextmanager
def start_board(
    board: Board,
    *,
    cache: Cache | None = None,
    files: Mapping[str, bytes | Path] | None = None,
    debug: bool = False,
) -> Iterator[RunningBoard]:
    """Boot `board` with this checkout's Midway on it; at the end of the block it is gone, with all that was
    written.

    `files` are shipped below /opt/midway (see build_payload); `debug` shows the console on standard error.
    Raises BoardLostError when the board does not come up, LabError when it cannot be prepared.
    """
    with ExitStack() as stack:
        root = Root(stack.enter_context((cache or Cache()).use(root_recipe())))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="midway-")))
        init = (Path(__file__).parent / "onboard/initramfs-init.sh").read_text()
        initramfs = build_initramfs(root.tree, root.kernel_release, board.modules, init, {})
        (scratch / "initramfs").write_bytes(initramfs + build_payload(files or {}))
        (channel, their_channel), (uart, their_uart) = socket.socketpair(), socket.socketpair()
        for end in (channel, their_channel, uart, their_uart):
            stack.enter_context(end)
        descriptors = (their_channel.fileno(), their_uart.fileno())
        arguments = _arguments(board, root, scratch / "initramfs", *descriptors, quiet=not debug)
        with step(f"booting the board {board.name}"):
            machine = stack.enter_context(start_machine(arguments, descriptors, show_console=debug))
            their_channel.close()  # so that the channel ends when QEMU does
            their_uart.close()
            running = RunningBoard(board, root, machine, channel, uart)
            running.wait_until_ready(_BOOT_TIMEOUT)
        yield running


def _arguments(
    board: Board, root: Root, initramfs: Path, channel: int, uart: int, *, quiet: bool
) -> list[str]:
    # A kernel that panics or oopses reboots, which ends QEMU: that is how a board's death is seen at once.
    kernel_arguments = [*board.arguments, "panic=-1", "oops=panic", "quiet" if quiet else "loglevel=7"]
    return [
        *board.machine,
        *("-m", f"{board.memory}M", "-accel", "tcg,thread=multi"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"),
        *(
            "-kernel",
            str(root.kernel_image),
            "-initrd",
            str(initramfs),
            "-append",
            " ".join(kernel_arguments),
        ),
        *("-chardev", "stdio,id=console,signal=off", "-chardev", f"socket,id=uart,fd={uart}"),
        *board.console,
        *("-chardev", f"socket,id=channel,fd={channel}", "-device", f"virtio-serial-{board.virtio}"),
        *("-device", f"virtserialport,chardev=channel,name={CHANNEL_NAME}"),
        *("-drive", f"if=none,id=root,format=raw,readonly=on,file={root.image}"),
        *("-device", f"virtio-blk-{board.virtio},drive=root,serial=midway-root"),
        *("-device", f"virtio-rng-{board.virtio}"),  # else what needs randomness waits for a second
        *board.network,
    ]
