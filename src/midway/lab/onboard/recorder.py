# SPDX-License-Identifier: Apache-2.0
"""Run on a board: records what its guests exit for until standard input ends, then prints the trace.

The first line of output says that recording has begun.
"""

import sys

from midway.measure.tracefs import TraceRecorder

_EVENTS = (
    "kvm/kvm_entry",
    "kvm/kvm_exit",
    "kvm/kvm_mmio",
    "kvm/vgic_update_irq_pending",
    "irq/irq_handler_entry",
)
_BUFFER = 64 << 10  # KiB for each CPU


def record() -> int:
    """1 when there was more than the buffer holds."""
    with TraceRecorder(dict.fromkeys(_EVENTS, ""), buffer=_BUFFER) as recorder:
        recorder.start()
        print("recording", flush=True)
        sys.stdin.read()
        recorder.stop()
        for line in recorder.lines():
            sys.stdout.write(line)
        return 1 if recorder.lost() else 0


if __name__ == "__main__":
    sys.exit(record())
