# SPDX-License-Identifier: Apache-2.0
"""A booted board: QEMU, its console, its spare UART, and the connection to it, in one context."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from midway.board.initramfs import build_initramfs
from midway.errors import BoardLostError
from midway.lab.boards import Board
from midway.lab.cache import Cache
from midway.lab.connection import BoardConnection
from midway.lab.console import last_words
from midway.lab.driver import driver_module
from midway.lab.emulator import INITRAMFS, emulator_arguments
from midway.lab.machine import Machine, start_machine
from midway.lab.payload import build_payload
from midway.lab.progress import step
from midway.lab.root import Root, root_recipe
from midway.lab.uart import SpareUart
from midway.scratch import scratch_directory

__all__ = ["RunningBoard", "start_board"]

_END_OF_CONSOLE = 5.0  # seconds that a dying QEMU gets to say its last
_DRIVER = "drivers/vfio-forward.ko"  # below /opt/midway on the board


class RunningBoard(BoardConnection):
    """A board that answers: run commands and move files with the methods of its connection.

    `uart` is the other end of the board's spare UART.  `images` is where the spare disks and the card are, as
    files of this machine.
    """

    def __init__(
        self,
        board: Board,
        root: Root,
        machine: Machine,
        channel: socket.socket,
        uart: SpareUart,
        images: Path,
    ) -> None:
        self.board = board
        self.root = root
        self.machine = machine
        self.uart = uart
        self.images = images
        super().__init__(channel, self._lost_error)

    @property
    def console(self) -> str:
        """Everything the board's console has said so far."""
        return self.machine.console

    def kill(self) -> None:
        """End the emulator at once, as a power failure would; the board is then lost."""
        self.machine.kill()

    def _lost_error(self, reason: str) -> BoardLostError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.machine.wait(_END_OF_CONSOLE)
        return BoardLostError(
            f"the board {self.board.name} is lost", answer=f"{reason}; {last_words(self.console)}"
        )


@contextmanager
def start_board(
    board: Board,
    *,
    cache: Cache | None = None,
    files: Mapping[str, bytes | Path] | None = None,
    nic: socket.socket | None = None,
    debug: bool = False,
) -> Iterator[RunningBoard]:
    """Boot `board` with this checkout's Midway and driver on it; at the end of the block it is gone, with all
    that was written.

    `files` are shipped below /opt/midway (see build_payload); `nic` is one of two connected stream sockets,
    whose other one another board has: their spare NICs are then joined, and this one is closed here.  `debug`
    shows the console on standard error.  Raises BoardLostError when the board does not come up, LabError or
    HostError when it cannot be prepared.
    """
    with ExitStack() as stack:
        cache = cache or Cache()
        root = Root(stack.enter_context(cache.use(root_recipe())))
        shipped = {"clock": str(int(time.time())).encode(), **(files or {})}
        if board.vfio and (module := driver_module(cache, root, stack)):
            shipped |= {_DRIVER: module, "modules": _modules_to_load(board).encode()}
        scratch = stack.enter_context(scratch_directory())
        init = (Path(__file__).parent / "onboard/initramfs-init.sh").read_text()
        initramfs = build_initramfs(root.tree, root.kernel_release, board.modules, init, {})
        (scratch / INITRAMFS).write_bytes(initramfs + build_payload(shipped, scratch))
        with step(f"booting the board {board.name}"):
            running = _boot(stack, board, root, scratch, nic, debug=debug)
        yield running


def _boot(
    stack: ExitStack, board: Board, root: Root, scratch: Path, nic: socket.socket | None, *, debug: bool
) -> RunningBoard:
    (channel, their_channel), (uart, their_uart) = socket.socketpair(), socket.socketpair()
    for end in (channel, their_channel, uart, their_uart):
        stack.enter_context(end)
    joined = None if nic is None else nic.fileno()
    arguments = emulator_arguments(
        board,
        root,
        scratch,
        channel=their_channel.fileno(),
        uart=their_uart.fileno(),
        nic=joined,
        quiet=not debug,
    )
    descriptors = [end.fileno() for end in (their_channel, their_uart, nic) if end is not None]
    machine = stack.enter_context(start_machine(arguments, descriptors, show_console=debug))
    their_channel.close()  # so that the channel ends when QEMU does
    their_uart.close()
    if nic is not None:
        nic.close()
    spare_uart = stack.enter_context(SpareUart(uart, machine.add_console))
    running = stack.enter_context(RunningBoard(board, root, machine, channel, spare_uart, scratch))
    running.wait_until_ready()
    spare_uart.take_over()
    return running


def _modules_to_load(board: Board) -> str:
    """Lines of a module's name or file and its options, which the board's init loads."""
    container = " ".join(("vfio_iommu_type1", *board.vfio_options))
    return f"vfio\nvfio_virqfd\n{container}\n/opt/midway/{_DRIVER} direct_dma=1\n"
