# SPDX-License-Identifier: Apache-2.0
"""Run on a board: keeps the trace points of a line's life switched on, without a recording, until standard
input ends.

The first line of output says that they are.
"""

import sys

from midway.measure.tracefs import TraceRecorder, line_events


def hold() -> None:
    with TraceRecorder(dict.fromkeys(line_events([], [], []), "")):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    hold()
