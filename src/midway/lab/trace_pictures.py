# SPDX-License-Identifier: Apache-2.0
"""The pictures of one interrupt in each mode, from traces of a NIC under load on an emulated board."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from midway.config import InterruptMode
from midway.errors import LabError
from midway.lab.boards import DEFAULT_BOARD, HOST_ADDRESS, board_named
from midway.lab.demo import DEVICE
from midway.lab.guest import GuestTask
from midway.lab.guest_run import GuestRun
from midway.lab.progress import step
from midway.lab.running import RunningBoard, start_board
from midway.lab.server import DownloadServer

__all__ = ["ModePicture", "trace_pictures", "traced"]

_HOLDER = ("python3", "-m", "midway.lab.onboard.trace_points")
_SIZE = 1 << 20  # bytes of a download
# Downloads until it is stopped, so that the guest is busy whenever an interrupt comes.
_TASK = """
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
await_value /sys/class/net/eth0/carrier 1
ready=
while wget -q -O /tmp/blob {url}; do
    [ "$ready" ] || say ready yes
    ready=yes
done
say failed yes
"""


class ModePicture(NamedTuple):
    """`svg` is the drawing, `counts` what `midway trace --json` says of the recording it is from."""

    mode: InterruptMode
    svg: bytes
    counts: dict[str, Any]
    text: str


def trace_pictures(*, seconds: float = 1.0, debug: bool = False) -> Iterator[ModePicture]:
    """One picture for each mode, each from a guest of its own on one board."""
    with start_board(board_named(DEFAULT_BOARD), debug=debug) as board:
        for mode in InterruptMode:
            with step(f"recording interrupts in mode {mode}"):
                picture = traced(board, mode, seconds)
            yield picture


def traced(board: RunningBoard, mode: InterruptMode, seconds: float, cpus: int = 1) -> ModePicture:
    """Record a guest that downloads over the second NIC.  Raises LabError when nothing could be drawn."""
    options = ("--memory", "1024", "--cpus", str(cpus), "--device", f"{DEVICE},irq={mode}")
    directory = board.run(["mktemp", "-d", "/run/trace.XXXXXX"], check=True).text.strip()
    drawing, counts = f"{directory}/svg", f"{directory}/json"
    with DownloadServer(_SIZE) as server:
        url = f"http://{HOST_ADDRESS}:{server.port}/blob"
        task = GuestTask(_TASK.format(url=url), modules=("macb",), append="ipv6.disable=1")
        with _trace_points_held(board), GuestRun(board, task, options) as guest:
            guest.wait_for("ready")
            argv = ["midway", "trace", DEVICE, "--seconds", str(seconds), "--no-times"]
            done = board.run([*argv, "--svg", drawing, "--json", counts])
            if done.status:
                raise LabError("tracing the guest", device=DEVICE, answer=done.stderr.decode().strip())
            found = json.loads(board.get(counts))
            if not found["lives"]:
                raise LabError("tracing the guest", device=DEVICE, answer="no interrupt was seen whole")
            return ModePicture(mode, board.get(drawing), found, done.text)


@contextmanager
def _trace_points_held(board: RunningBoard) -> Iterator[None]:
    """From before KVM's code runs, so that it need not be patched while a guest is in it.

    QEMU 7.2 can miss that: one virtual processor translates the code while another patches it, and the old
    translation stays in use (docs/lab.md).
    """
    holder = board.start(_HOLDER)
    output = holder.lines()
    if next(output, None) != "held":
        raise LabError("switching trace points on", answer="the board's kernel does not let us")
    try:
        yield
    finally:
        holder.close_input()
        for _ in output:
            pass
