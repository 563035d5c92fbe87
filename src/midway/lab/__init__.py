# SPDX-License-Identifier: Apache-2.0
"""Emulated Arm boards, so that Midway runs and is tested on any machine.

`start_board` boots one of `BOARDS` and gives a `RunningBoard`, on which commands run and from which files
come.
"""

from midway.board.initramfs import build_initramfs
from midway.lab.boards import BOARDS, DEFAULT_BOARD, HOST_ADDRESS, Board, board_named
from midway.lab.cache import Cache
from midway.lab.connection import BoardConnection, Completed, Process
from midway.lab.root import Root
from midway.lab.running import RunningBoard, start_board

__all__ = [
    "BOARDS",
    "DEFAULT_BOARD",
    "HOST_ADDRESS",
    "Board",
    "BoardConnection",
    "Cache",
    "Completed",
    "Process",
    "Root",
    "RunningBoard",
    "board_named",
    "build_initramfs",
    "start_board",
]
