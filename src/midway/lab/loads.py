# SPDX-License-Identifier: Apache-2.0
"""Loads that make a device interrupt as fast as it can, between a guest's marks 2 and 3."""

from collections.abc import Mapping
from pathlib import Path

from midway.lab.guest import GuestTask

__all__ = ["disk_load", "dma_load", "dma_rounds"]

# A read of the file is one request.
_DISK = """
before=$(interrupts virtio)
asked=0
answered=0
mark 2
while [ $asked -lt {requests} ]; do
    number=
    read -r number </sys/block/vda/serial
    [ -z "$number" ] || answered=$((answered + 1))
    asked=$((asked + 1))
done
mark 3
say interrupts $(($(interrupts virtio) - before))
say done "$answered"
say marks "$MARKS"
"""

_DMA = """
insmod /modules/zynqmp_dma.ko
insmod /modules/dmatest.ko iterations={copies} timeout=10000 test_buf_size=4096
before=$(interrupts zynqmp-dma)
mark 2
echo dma0chan0 >/sys/module/dmatest/parameters/channel
echo 1 >/sys/module/dmatest/parameters/run
cat /sys/module/dmatest/parameters/wait >/tmp/waited
mark 3
say interrupts $(($(interrupts zynqmp-dma) - before))
say done "$(dmesg | sed -n 's/.*dmatest: .*summary \\([0-9]*\\) tests, 0 failures.*/\\1/p')"
say marks "$MARKS"
"""


# Every engine copies as often, all at once, each time that somebody types "run".
_ROUNDS = """
stty -F /dev/console -echo
insmod /modules/zynqmp_dma.ko
insmod /modules/dmatest.ko iterations={copies} timeout=10000 test_buf_size=4096
round=0
say ready "$(ls /sys/class/dma | wc -l)"
while read -r order && [ "$order" = run ]; do
    round=$((round + 1))
    dmesg -c >/dev/null
    before=$(interrupts zynqmp-dma)
    mark 2
    echo '' >/sys/module/dmatest/parameters/channel
    echo 1 >/sys/module/dmatest/parameters/run
    cat /sys/module/dmatest/parameters/wait >/tmp/waited
    mark 3
    say interrupts_$round $(($(interrupts zynqmp-dma) - before))
    say copies_$round "$(dmesg | sed -n 's/.*dmatest: .*summary \\([0-9]*\\) tests, 0 failures.*/\\1/p' |
        awk '{{ sum += $1 }} END {{ print sum + 0 }}')"
done
"""


def disk_load(requests: int) -> GuestTask:
    """Asks the disk for its serial number: one interrupt for each request.

    QEMU's disk answers this within the guest's write to its register.  A read is done by a thread of the
    emulator: whether before the guest waits is up to what else this machine does, and a guest that waits has
    an exit more; and while all processors wait, a clock that counts instructions leaps to the next timer,
    whose instructions are counted too.
    """
    return GuestTask(_DISK.format(requests=requests), modules=("virtio_mmio", "virtio_blk"))


def dma_load(modules: Mapping[str, Path], copies: int) -> GuestTask:
    """Lets one DMA engine copy and compare buffers of 4 KiB: one interrupt for each copy.

    `modules` are the built zynqmp_dma and dmatest (guest_modules).
    """
    return GuestTask(_DMA.format(copies=copies), files=_driver_files(modules))


def dma_rounds(modules: Mapping[str, Path], copies: int) -> GuestTask:
    """As `dma_load`, with all engines the guest has, and again for each line "run" on its console.

    It says `ready` once, and in each round N, from 1, ``interrupts_N`` and ``copies_N``.
    """
    return GuestTask(_ROUNDS.format(copies=copies), files=_driver_files(modules))


def _driver_files(modules: Mapping[str, Path]) -> dict[str, bytes]:
    return {f"/modules/{name}.ko": modules[name].read_bytes() for name in ("zynqmp_dma", "dmatest")}
