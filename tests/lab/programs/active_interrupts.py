# SPDX-License-Identifier: Apache-2.0
"""Run on a board: which interrupts are active in the GIC and pending in a guest, as the hardware and KVM say.

Prints "watching".  Every line of standard input is then answered with one line of JSON:
    active          INTIDs from 32 on that the distributor has active (GICD_ISACTIVER, IHI 0069)
    pending         INTIDs of the host that KVM has mapped into its VM, as interrupts that are pending there
    list_registers  how many KVM has filled at once, at most
    overflows       how often there were more pending interrupts than list registers for a vCPU
The board's kernel needs iomem=relaxed.
"""

import json
import mmap
import os
import re
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from midway.host.tracing import TraceInstance

DEBUGFS = Path("/sys/kernel/debug")
TRACING = Path("/sys/kernel/tracing")
TREE = Path("/proc/device-tree")
# KVM fills list register %x2; and it calls the other when it could not give one to all that is pending.
FILL, OVERFLOW = "fills_list_register", "has_too_few_list_registers"
PROBES = {FILL: "vgic_v3_populate_lr number=%x2:s32", OVERFLOW: "vgic_v3_set_underflow"}
FILLED = re.compile(rf" {FILL}: .*number=([0-9]+)$", re.MULTILINE)
ACTIVE = 0x300  # GICD_ISACTIVER
SPIS = range(32, 192)


def distributor() -> int:
    """The physical address of the host's."""
    (node,) = (path.parent for path in TREE.rglob("compatible") if b"arm,gic-v3\0" in path.read_bytes())
    return int(struct.unpack_from(">Q", (node / "reg").read_bytes())[0])


def active(gic: mmap.mmap) -> list[int]:
    return [
        intid
        for intid in SPIS
        if struct.unpack_from("<I", gic, ACTIVE + intid // 32 * 4)[0] >> intid % 32 & 1
    ]


def pending() -> list[int]:
    """Columns of vgic-state: the fourth is bits (pending, line, active, enabled, HW), then the INTID."""
    (state,) = DEBUGFS.glob("kvm/*-*/vgic-state")
    rows = (line.split() for line in state.read_text().splitlines())
    spis = ((row[3], int(row[4])) for row in rows if row[0:1] == ["SPI"] and row[1] != "0")
    return [intid for bits, intid in spis if "1" in bits[:2] and bits[2] == "0" and bits[4] == "1"]


def change_probes(*changes: str) -> None:
    """Without truncating the file, which would remove everybody's."""
    descriptor = os.open(TRACING / "kprobe_events", os.O_WRONLY)
    for change in changes:
        os.write(descriptor, f"{change}\n".encode())
    os.close(descriptor)


@contextmanager
def probed() -> Iterator[TraceInstance]:
    """What KVM does with list registers, recorded."""
    change_probes(*(f"p:{name} {place}" for name, place in PROBES.items()))
    try:
        with TraceInstance({f"kprobes/{FILL}": "number > 0", f"kprobes/{OVERFLOW}": ""}) as trace:
            trace.start()
            yield trace
    finally:
        change_probes(*(f"-:{name}" for name in PROBES))


def main() -> None:
    if not os.path.ismount(DEBUGFS):
        os.system(f"mount -t debugfs debugfs {DEBUGFS}")  # noqa: S605  (nothing of it is input)
    memory = os.open("/dev/mem", os.O_RDWR | os.O_SYNC)
    with probed() as trace, mmap.mmap(memory, 0x10000, offset=distributor()) as gic:
        print("watching", flush=True)
        for _ in sys.stdin:
            recorded = "".join(trace.lines())
            answer = {
                "active": active(gic),
                "pending": pending(),
                "list_registers": max(map(int, FILLED.findall(recorded)), default=0) + 1,
                "overflows": recorded.count(f" {OVERFLOW}: "),
            }
            print(json.dumps(answer), flush=True)


main()
