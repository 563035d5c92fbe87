# SPDX-License-Identifier: Apache-2.0
"""Two joined nodes, as far as no emulator is needed."""

import itertools
from pathlib import Path

from midway.lab.boards import BOARDS, PEER, Board, board_named
from midway.lab.emulator import emulator_arguments
from midway.lab.onboard.peer import listening
from midway.lab.root import Root

_TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1451 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0
   1: 0100007F:2B67 0200007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0
"""


def arguments(board: Board, scratch: Path, nic: int | None) -> list[str]:
    root = Root(scratch)
    boot = root.tree / "boot"
    boot.mkdir(parents=True)
    (boot / "vmlinuz-6.1.0-test").touch()
    return emulator_arguments(board, root, scratch, channel=5, uart=6, nic=nic, quiet=True)


def networks(command: list[str]) -> list[str]:
    return [value for option, value in itertools.pairwise(command) if option == "-netdev"]


def test_a_board_alone_has_a_user_network_behind_its_spare_nic(tmp_path: Path) -> None:
    assert networks(arguments(board_named("versal"), tmp_path, None)) == ["user,id=spare,ipv6=off"]


def test_a_joined_board_has_the_inherited_socket_behind_its_spare_nic(tmp_path: Path) -> None:
    command = arguments(board_named("versal"), tmp_path, 7)
    assert networks(command) == ["stream,id=spare,addr.type=fd,addr.str=7"]


def test_the_peer_has_no_network_but_the_joined_one(tmp_path: Path) -> None:
    command = arguments(PEER, tmp_path, 7)
    assert networks(command) == ["stream,id=spare,addr.type=fd,addr.str=7"]
    assert "-nic" not in command


def test_the_peer_is_no_board_that_commands_offer() -> None:
    assert PEER.name not in BOARDS


def test_ports_that_are_listened_on_are_told_from_connections() -> None:
    assert listening(_TABLE) == {5201}
