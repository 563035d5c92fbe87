# SPDX-License-Identifier: Apache-2.0
"""Loads that make a device interrupt as fast as it can, between a guest's marks 2 and 3."""

from collections.abc import Mapping
from pathlib import Path

from midway.lab.guest import GuestTask

__all__ = ["disk_load", "dma_load"]

_DISK = """
before=$(interrupts virtio)
mark 2
dd if=/dev/vda of=/dev/null bs=4k count={reads} iflag=direct 2>/tmp/dd
mark 3
say interrupts $(($(interrupts virtio) - before))
say done "$(sed -n 's/+.* records in//p' /tmp/dd)"
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


def disk_load(reads: int) -> GuestTask:
    """Reads the disk directly, 4 KiB at a time: one interrupt for each read."""
    return GuestTask(_DISK.format(reads=reads), modules=("virtio_mmio", "virtio_blk"))


def dma_load(modules: Mapping[str, Path], copies: int) -> GuestTask:
    """Lets one DMA engine copy and compare buffers of 4 KiB: one interrupt for each copy.

    `modules` are the built zynqmp_dma and dmatest (guest_modules).
    """
    files = {f"/modules/{name}.ko": modules[name].read_bytes() for name in ("zynqmp_dma", "dmatest")}
    return GuestTask(_DMA.format(copies=copies), files=files)
