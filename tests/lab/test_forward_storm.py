# SPDX-License-Identifier: Apache-2.0
"""Guests that complete an interrupt while the device still asserts its line, and those that do not."""

import shutil
from pathlib import Path

import pytest

from lab import loads
from midway.lab.cache import Cache
from midway.lab.guest_run import GuestRun
from midway.lab.module_build import build_modules
from midway.lab.running import RunningBoard
from midway.uapi import vfio_forward

PROGRAMS = Path(__file__).parent / "programs"
DISK = "a000000.virtio_mmio"
RTC = "9010000.pl031"
READS = 1000
STORM = 1024  # interrupts in a row that find the line asserted, until the driver takes it for one

# What the host's own driver hears of the clock's alarm.
HOST_ALARM = """
count() { awk '/rtc-pl031/ { print $2 + $3 }' /proc/interrupts; }
before=$(count)
cd /sys/class/rtc/rtc*/
echo 0 >wakealarm
echo +2 >wakealarm
tries=0
until [ "$(count)" -gt "$before" ] || [ $tries -ge 1000 ]; do tries=$((tries + 1)); sleep 0.01; done
echo $(($(count) - before))
"""


@pytest.fixture
def endless(each_board: RunningBoard, tmp_path: Path) -> Path:
    """A module for guests whose interrupt handler does not quiet the device."""
    source = tmp_path / "storm"
    shutil.copytree(PROGRAMS / "storm", source)
    build_modules(Cache(), each_board.root, source, ("storm",), tmp_path)
    return tmp_path / "storm.ko"


def options(board: RunningBoard, device: str) -> tuple[str, ...]:
    placing = loads.placing(board)
    return ("--memory", "1024", "--backing", "direct", *placing, "--device", f"{device},irq=forward")


def program(board: RunningBoard, action: str) -> tuple[str, ...]:
    board.put("/run/forwarding.py", (PROGRAMS / "forwarding.py").read_bytes())
    return ("python3", "/run/forwarding.py", action)


def host_interrupts(board: RunningBoard) -> int:
    count = ("awk", "/vfio-forward:/ { print $2 + $3 }", "/proc/interrupts")
    return int(board.run(count, timeout=60, check=True).text)


@pytest.mark.parametrize("each_board", ["virt", "virt-gicv2"], indirect=True)
def test_a_storm_ends_the_forwarding_and_is_told_and_the_device_is_well_afterwards(
    each_board: RunningBoard, endless: Path
) -> None:
    task, storming = loads.storm(endless), program(each_board, "await_storm")
    with GuestRun(each_board, task, options(each_board, RTC), storming) as guest:
        assert guest.wait_for("stormed") == "True"
        before = host_interrupts(each_board)
        # The host answers, and the guest still has its interrupt: now it is as any other in mode irqfd.
        while host_interrupts(each_board) == before:
            pass
        guest.write(b"go\n")
        report = guest.finish()
    (line,) = report.summary["final"]["lines"]
    assert line["mode"] == "irqfd"
    assert line["forwarded"] == vfio_forward.VFIO_FORWARD_ROUTE_LIMIT
    assert line["host"] - line["forwarded"] >= STORM
    (told,) = (found for found in report.summary["findings"] if found["code"] == "forward-storm")
    assert told["subject"] == RTC
    assert each_board.run(["sh", "-c", HOST_ALARM], timeout=120, check=True).text == "1\n"


def test_however_often_the_driver_looks_a_busy_disk_is_no_storm(virt: RunningBoard) -> None:
    with GuestRun(virt, loads.disk_load(READS), options(virt, DISK), program(virt, "look_often")) as guest:
        report = guest.finish()
    assert report.value("stormed") == "False"
    assert int(report.value("switches")) >= 10
    assert report.value("disk_read") == str(READS)
    on_the_host = int(report.interval(2, 3)["interrupts"])
    assert int(report.value("disk_interrupts")) == on_the_host >= READS
    (line,) = report.summary["final"]["lines"]
    assert READS * 0.9 < line["forwarded"] < line["host"]
