# SPDX-License-Identifier: Apache-2.0
"""Devices of the virt board in guests: trapped registers, an SMMU, devices of the AMBA bus, VHE."""

import time

import pytest

from lab import tasks
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard

UART = "9000000.pl011"
RTC = "9010000.pl031"
DISK = "a000000.virtio_mmio"
DISK_IMAGE = "midway-spare"
SMMU_DISK = "a001000.virtio_mmio"
SMMU_DISK_IMAGE = "midway-smmu"

CASES = (("irqfd", 1), ("userspace", 4))


def options(*devices: str, mode: str, cpus: int) -> tuple[str, ...]:
    named = (word for device in devices for word in ("--device", f"{device},irq={mode}"))
    # The emulated SMMU translates nothing for this bus: RAM must be at its host addresses in any case.
    return ("--memory", "1024", "--cpus", str(cpus), "--backing", "direct", *named)


@pytest.mark.parametrize(("mode", "cpus"), CASES)
def test_a_disk_without_an_iommu_is_read_and_written(virt: RunningBoard, mode: str, cpus: int) -> None:
    expected = tasks.fill(virt.images / DISK_IMAGE, seed=cpus)
    report = run_guest(virt, tasks.disk(), options(DISK, mode=mode, cpus=cpus))
    assert report.value("disk_sha256") == expected
    assert tasks.written(virt.images / DISK_IMAGE) == tasks.WRITTEN
    assert int(report.value("disk_interrupts")) == report.interval(2, 3)["interrupts"] > 0
    assert "no-iommu" in {finding["code"] for finding in report.summary["findings"]}


@pytest.mark.parametrize(("mode", "cpus"), CASES)
def test_a_disk_behind_the_smmu_is_read_and_written(virt: RunningBoard, mode: str, cpus: int) -> None:
    expected = tasks.fill(virt.images / SMMU_DISK_IMAGE, seed=cpus)
    report = run_guest(virt, tasks.disk(), options(SMMU_DISK, mode=mode, cpus=cpus))
    assert report.value("disk_sha256") == expected
    assert tasks.written(virt.images / SMMU_DISK_IMAGE) == tasks.WRITTEN
    assert "no-iommu" not in {finding["code"] for finding in report.summary["findings"]}


@pytest.mark.parametrize(("mode", "cpus"), CASES)
def test_bytes_go_both_ways_through_the_uart(virt: RunningBoard, mode: str, cpus: int) -> None:
    with GuestRun(virt, tasks.uart(), options(UART, mode=mode, cpus=cpus)) as guest:
        virt.uart.read_until(tasks.UART_GREETING.strip(), 120)
        virt.uart.send(tasks.UART_ANSWER)
        report = guest.finish()
    assert report.value("uart_heard") == tasks.UART_ANSWER.decode().strip()
    assert int(report.value("uart_interrupts")) > 0


@pytest.mark.parametrize(("mode", "cpus"), CASES)
def test_the_rtc_tells_the_time_and_rings_its_alarm(virt: RunningBoard, mode: str, cpus: int) -> None:
    before = int(time.time())
    report = run_guest(virt, tasks.rtc(), options(RTC, mode=mode, cpus=cpus))
    assert before <= int(report.value("rtc_seconds")) <= time.time() + 1
    assert int(report.value("rtc_interrupts")) == 1


@pytest.mark.parametrize("mode", ["irqfd", "userspace"])
def test_an_rtc_and_a_disk_behind_the_smmu_work_in_one_guest(virt: RunningBoard, mode: str) -> None:
    expected = tasks.fill(virt.images / SMMU_DISK_IMAGE, seed=7)
    both = tasks.all_of(tasks.rtc(), tasks.disk())
    report = run_guest(virt, both, options(RTC, SMMU_DISK, mode=mode, cpus=4))
    assert report.value("disk_sha256") == expected
    assert int(report.value("rtc_interrupts")) == 1
