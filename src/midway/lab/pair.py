# SPDX-License-Identifier: Apache-2.0
"""Two emulated nodes whose NICs are joined: a board, and a peer that runs the servers of the network loads.

What joins them is a pair of connected sockets that both emulators inherit: it has no address, and nothing
else on this machine can reach it.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from midway.errors import LabError
from midway.lab.boards import PEER, Board
from midway.lab.cache import Cache
from midway.lab.progress import step
from midway.lab.running import RunningBoard, start_board

__all__ = ["BOARD_ADDRESS", "PEER_ADDRESS", "PREFIX_LENGTH", "Pair", "start_pair"]

PEER_ADDRESS = "192.168.77.2"
BOARD_ADDRESS = "192.168.77.1"  # for the board's end, whoever has it: the board itself or a guest
PREFIX_LENGTH = 24
_SERVERS = ("python3", "-m", "midway.lab.onboard.peer")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two running nodes; the board's spare NIC is joined to the peer's."""

    board: RunningBoard
    peer: RunningBoard


@contextmanager
def start_pair(board: Board, *, cache: Cache | None = None, debug: bool = False) -> Iterator[Pair]:
    """Boot both; the peer is at PEER_ADDRESS and its servers listen (iperf3, and sockperf for TCP).

    Raises BoardLostError when one does not come up, LabError when the peer's servers do not.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs, ExitStack() as stack:
        peer = stack.enter_context(start_board(PEER, cache=cache, nic=theirs, debug=debug))
        running = stack.enter_context(start_board(board, cache=cache, nic=ours, debug=debug))
        with step("starting the peer's servers"):
            _start_servers(peer)
        yield Pair(running, peer)


def _start_servers(peer: RunningBoard) -> None:
    """They run for as long as the peer does."""
    (interface,) = (name for name in peer.run(["ls", "/sys/class/net"]).text.split() if name != "lo")
    peer.run(["ip", "address", "add", f"{PEER_ADDRESS}/{PREFIX_LENGTH}", "dev", interface], check=True)
    peer.run(["ip", "link", "set", interface, "up"], check=True)
    process = peer.start(_SERVERS)
    if next(process.lines(), None) != "listening":
        raise LabError("starting the servers of the peer", answer=f"exit status {process.status}")
