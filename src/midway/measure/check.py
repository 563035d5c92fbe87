# SPDX-License-Identifier: Apache-2.0
"""Guests' trees of all boards checked: ``python -m midway.measure.check``; see `readback`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from midway.errors import MidwayError
from midway.measure.corpus import boards_in, need_debian_boards
from midway.measure.plain_tree import parse
from midway.measure.readback import dtc_warnings, faults_of, guests_of

__all__ = ["main"]

_COMMAND = "python -m midway.measure.check"


def main(words: Sequence[str] | None = None) -> int:
    """The command: exit status 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Read back the guests' trees of many boards.")
    parser.add_argument("--trees", type=Path, metavar="PATH", help="DTBs in place of Debian's arm64 boards")
    arguments = parser.parse_args(words)
    start = time.monotonic()
    trees = faults = 0
    try:
        boards = boards_in(arguments.trees or need_debian_boards()[1])
        for board in boards:
            blob = board.path.read_bytes()
            host, known = parse(blob), dtc_warnings(blob)
            for guest in guests_of(board):
                trees += 1
                for fault in faults_of(guest, host, known):
                    faults += 1
                    print(f"{board.vendor}/{board.name}: {guest.plans[0].device.name}: {fault}")
    except MidwayError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return error.exit_status
    spent = time.monotonic() - start
    print(f"{len(boards)} boards, {trees} guests' trees, {faults} faults, in {spent:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
