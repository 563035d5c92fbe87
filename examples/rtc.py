# SPDX-License-Identifier: Apache-2.0
"""A driver in user space, with no guest at all: reads the time from a board's real-time clock.

    python3 rtc.py f12a0000.rtc      (AMD Versal)
    python3 rtc.py 9010000.pl031     (QEMU's virt)

The clock is taken from its driver and given back at the end.  Its registers are mapped into this process:
every read below is one load from the device, the kernel has no part in it.
"""

import sys
import time

from midway import MidwayError, Platform, claim
from midway.kernel import open_device

SECONDS_REGISTER = {"xlnx,zynqmp-rtc": 0x10, "arm,pl031": 0x00}  # seconds since 1970, 32 bits
LONGEST_SECOND = 5.0


def read_clock(name: str) -> None:
    device = Platform().device(name)
    offsets = [SECONDS_REGISTER[one] for one in device.compatible if one in SECONDS_REGISTER]
    if not offsets:
        raise SystemExit(f"{name} is none of the clocks this example knows: {', '.join(SECONDS_REGISTER)}")
    with (
        claim(name) as claimed,
        open_device(name, str(claimed.group.node), noiommu=claimed.group.noiommu) as clock,
        clock.map_region(clock.region(0)) as mapping,
        mapping.view.cast("I") as registers,
    ):
        at = offsets[0] // 4
        first = registers[at]
        system = time.time()
        reads, deadline = 1, time.monotonic() + LONGEST_SECOND
        while (second := registers[at]) == first and time.monotonic() < deadline:
            reads += 1
    print(f"{name}: {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(first))} UTC")
    print(f"difference from the system's time: {first - int(system)} s")
    print(f"after {reads} reads it said {second - first:+d} s")
    if second == first:
        raise SystemExit(f"{name} stands still")


if __name__ == "__main__":
    try:
        read_clock(*sys.argv[1:2] or ["f12a0000.rtc"])
    except MidwayError as error:
        raise SystemExit(f"rtc: {error}") from None
