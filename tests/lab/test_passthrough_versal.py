# SPDX-License-Identifier: Apache-2.0
"""Devices of the Versal board in guests: no IOMMU, so the guest's RAM is where the host's huge page is."""

import time

import pytest

from lab import tasks
from midway.lab.guest import GuestTask
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard
from midway.lab.server import DownloadServer

NIC = "ff0d0000.ethernet"
UART = "ff010000.uart"
RTC = "f12a0000.rtc"
DISK = "a0000000.virtio_mmio"
DISK_IMAGE = "midway-spare"

MODES = ("irqfd", "userspace")


def options(*devices: str, mode: str, cpus: int) -> tuple[str, ...]:
    named = (word for device in devices for word in ("--device", f"{device},irq={mode}"))
    return ("--memory", "1024", "--cpus", str(cpus), *named)


def driver_of(board: RunningBoard, device: str) -> str:
    link = board.run(["readlink", f"/sys/bus/platform/devices/{device}/driver"]).text
    return link.strip().rpartition("/")[2]


@pytest.mark.parametrize(("mode", "cpus"), [("irqfd", 4), ("userspace", 1)])
def test_the_nic_carries_traffic_in_a_guest_and_returns_to_its_driver(
    versal: RunningBoard, mode: str, cpus: int
) -> None:
    with DownloadServer(1 << 20) as server:
        report = run_guest(versal, tasks.nic(server.port), options(NIC, mode=mode, cpus=cpus))
        assert report.value("nic_sha256") == server.sha256
    assert report.value("pings_lost") == "0"
    assert report.status == 0
    assert driver_of(versal, NIC) == "macb"


def test_no_interrupt_of_the_nic_passes_through_user_space_in_mode_irqfd(versal: RunningBoard) -> None:
    with DownloadServer(1 << 20) as server:
        report = run_guest(versal, tasks.nic(server.port), options(NIC, mode="irqfd", cpus=1))
    traffic = report.interval(2, 3)
    assert traffic["interrupts"] > 10
    assert traffic["user_exits"] == 0
    assert [line["handled"] for line in report.summary["final"]["lines"]] == [0]


def test_every_interrupt_of_the_nic_passes_through_user_space_in_mode_userspace(versal: RunningBoard) -> None:
    with DownloadServer(1 << 20) as server:
        report = run_guest(versal, tasks.nic(server.port), options(NIC, mode="userspace", cpus=1))
    (line,) = report.summary["final"]["lines"]
    assert line["handled"] == line["host"] > 10


@pytest.mark.parametrize(("mode", "cpus"), [("irqfd", 4), ("userspace", 1)])
def test_bytes_go_both_ways_through_the_second_uart(versal: RunningBoard, mode: str, cpus: int) -> None:
    with GuestRun(versal, tasks.uart(), options(UART, mode=mode, cpus=cpus)) as guest:
        versal.uart.read_until(tasks.UART_GREETING.strip(), 120)
        versal.uart.send(tasks.UART_ANSWER)
        report = guest.finish()
    assert report.value("uart_heard") == tasks.UART_ANSWER.decode().strip()
    assert int(report.value("uart_interrupts")) > 0


def test_the_rtc_tells_a_guest_the_time(versal: RunningBoard) -> None:
    before = int(time.time())
    report = run_guest(versal, tasks.rtc_registers(), options(RTC, mode="irqfd", cpus=1))
    assert before <= int(report.value("rtc_seconds")) <= time.time() + 1


@pytest.mark.parametrize(("mode", "cpus"), [("irqfd", 1), ("userspace", 4)])
def test_a_disk_with_trapped_registers_and_an_edge_line_is_read_and_written(
    versal: RunningBoard, mode: str, cpus: int
) -> None:
    expected = tasks.fill(versal.images / DISK_IMAGE, seed=cpus)
    report = run_guest(versal, tasks.disk(), options(DISK, mode=mode, cpus=cpus))
    assert report.value("disk_sha256") == expected
    assert int(report.value("disk_interrupts")) > 0
    assert tasks.written(versal.images / DISK_IMAGE) == tasks.WRITTEN
    assert "region-trapped" in {finding["code"] for finding in report.summary["findings"]}


@pytest.mark.parametrize("mode", MODES)
def test_a_nic_and_a_disk_work_in_one_guest(versal: RunningBoard, mode: str) -> None:
    expected = tasks.fill(versal.images / DISK_IMAGE, seed=9)
    with DownloadServer(1 << 20) as server:
        both = tasks.all_of(tasks.nic(server.port), tasks.disk())
        report = run_guest(versal, both, options(NIC, DISK, mode=mode, cpus=4))
        assert report.value("nic_sha256") == server.sha256
    assert report.value("disk_sha256") == expected
    assert driver_of(versal, NIC) == "macb"
    assert driver_of(versal, DISK) == "virtio-mmio"


def test_the_nic_reaches_ram_that_lies_in_several_banks(versal: RunningBoard) -> None:
    pool = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
    before = versal.run(["cat", pool], check=True).text
    # More pages than either of the board's two memories has left: some come from each.
    versal.run(["sh", "-c", f"echo 750 >{pool}"], check=True)
    try:
        with DownloadServer(1 << 20) as server:
            banks = GuestTask("say banks $(ls -d /proc/device-tree/memory@* | wc -l)\n")
            report = run_guest(
                versal, tasks.all_of(banks, tasks.nic(server.port)), ("--memory", "1400", "--device", NIC)
            )
            assert report.value("nic_sha256") == server.sha256
        assert int(report.value("banks")) >= 2
    finally:
        versal.run(["sh", "-c", f"echo {before.strip()} >{pool}"], check=True)
