# SPDX-License-Identifier: Apache-2.0
"""Run on the peer: the servers of the network loads, until standard input ends.

The first line of output says that all of them listen.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

_SERVERS = {
    5201: ("iperf3", "--server"),
    11111: ("sockperf", "server", "--tcp"),
}
_LISTENING = "0A"  # TCP_LISTEN (include/net/tcp_states.h) as /proc/net/tcp shows it
_PATIENCE = 60.0  # seconds for all of them to listen


def listening(table: str) -> set[int]:
    """The ports that a table such as /proc/net/tcp shows as listened on."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENING}


def serve() -> int:
    """1 when a server ended, or did not listen in time."""
    with ExitStack() as stack:
        servers = [stack.enter_context(_Server(argv)) for argv in _SERVERS.values()]
        deadline = time.monotonic() + _PATIENCE
        while not _SERVERS.keys() <= _ports():
            for server in servers:
                if server.ended():
                    print(f"{server.name} ended at once", file=sys.stderr)
                    return 1
            if time.monotonic() > deadline:
                print(f"no server on {sorted(_SERVERS.keys() - _ports())}", file=sys.stderr)
                return 1
            time.sleep(0.05)  # /proc tells of no change by itself
        print("listening", flush=True)
        sys.stdin.read()
    return 0


def _ports() -> set[int]:
    tables = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    return {port for table in tables if table.exists() for port in listening(table.read_text())}


class _Server:
    """A server that runs until the block ends; what it says is dropped."""

    def __init__(self, argv: Sequence[str]) -> None:
        self.name = argv[0]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> "_Server":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ended(self) -> bool:
        return self._process.poll() is not None


if __name__ == "__main__":
    sys.exit(serve())
