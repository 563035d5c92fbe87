# SPDX-License-Identifier: Apache-2.0
"""Guests' own drivers on nodes that are derived from the host's: no code of Midway's knows these devices.

The DMA engine's descriptors have to lie below 4 GiB, so its guests run on a Versal whose huge page is there.
"""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab import tasks
from midway.lab.boards import board_named
from midway.lab.cache import Cache
from midway.lab.guest_modules import guest_modules
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard, start_board
from midway.lab.server import DownloadServer

if TYPE_CHECKING:
    from lab.conftest import BoardPool

CARD, CARD_IMAGE = "f1040000.sdhci", "midway-card"
USB, USB_IMAGE = "fe200000.dwc3", "midway-usb"
USB_WRAPPER = "ff9d0000.usb"
DMA = "ffa80000.dma"
NIC, OWN_NIC = "ff0d0000.ethernet", "ff0c0000.ethernet"
UART = "ff010000.uart"
RTC = "f12a0000.rtc"
DISK, DISK_IMAGE = "a0000000.virtio_mmio", "midway-spare"
EVERYTHING = (NIC, UART, RTC, CARD, USB, DMA, DISK)


@pytest.fixture(scope="module")
def low_versal(board_pool: "BoardPool") -> Iterator[RunningBoard]:
    """A Versal whose huge page, and so a guest's RAM, is at 1 GiB."""
    board_pool.close()
    with start_board(board_named("versal").with_memory(3072, "cma=0")) as board:
        yield board


@pytest.fixture
def modules(low_versal: RunningBoard) -> Iterator[Mapping[str, Path]]:
    """Drivers of Debian's kernel source that Debian does not build."""
    with guest_modules(Cache(), low_versal.root) as built:
        yield built


def options(*devices: str) -> tuple[str, ...]:
    named = (word for device in devices for word in ("--device", f"{device},irq=irqfd"))
    return ("--memory", "1024", *named)


def make_usb_core(board: RunningBoard) -> None:
    """The wrapper stays with the host, whose driver for such wrappers makes the core a device of its own."""
    place = "/sys/bus/platform"
    script = (
        f"modprobe dwc3-of-simple && echo dwc3-of-simple >{place}/devices/{USB_WRAPPER}/driver_override"
        f" && echo {USB_WRAPPER} >{place}/drivers_probe && test -d {place}/devices/{USB}"
    )
    board.run(["sh", "-c", script], check=True)


def test_an_sd_card_is_read_by_a_guests_own_driver(low_versal: RunningBoard) -> None:
    expected = tasks.fill(low_versal.images / CARD_IMAGE, seed=21)
    report = run_guest(low_versal, tasks.card(), options(CARD))
    assert report.value("card_sha256") == expected
    assert int(report.value("card_interrupts")) > 0
    assert report.interval(2, 3)["user_exits"] == 0


def test_a_disk_at_a_usb_controller_is_read_by_a_guests_own_driver(low_versal: RunningBoard) -> None:
    make_usb_core(low_versal)
    expected = tasks.fill(low_versal.images / USB_IMAGE, seed=22)
    report = run_guest(low_versal, tasks.usb_disk(), options(USB))
    assert report.value("usb_driver") == "xhci-hcd"
    assert report.value("usb_sha256") == expected
    assert int(report.value("usb_interrupts")) > 0
    assert report.interval(2, 3)["user_exits"] == 0


def test_a_dma_engine_copies_a_guests_memory(low_versal: RunningBoard, modules: Mapping[str, Path]) -> None:
    report = run_guest(low_versal, tasks.dma(modules), options(DMA))
    assert report.value("dma_summary") == f"{tasks.COPIES} tests, 0 failures"
    assert int(report.value("dma_interrupts")) >= tasks.COPIES
    assert report.interval(2, 3)["user_exits"] == 0


def test_a_nic_a_uart_an_rtc_a_card_a_usb_disk_a_dma_engine_and_a_disk_work_in_one_guest(
    low_versal: RunningBoard, modules: Mapping[str, Path]
) -> None:
    make_usb_core(low_versal)
    images = low_versal.images
    hashes = {
        name: tasks.fill(images / name, seed) for seed, name in enumerate((CARD_IMAGE, USB_IMAGE, DISK_IMAGE))
    }
    before = int(time.time())
    with DownloadServer(1 << 20) as server:
        everything = tasks.all_of(
            tasks.uart(),
            tasks.nic(server.port),
            tasks.rtc_driven(modules),
            tasks.card(),
            tasks.usb_disk(),
            tasks.dma(modules),
            tasks.disk(),
        )
        with GuestRun(low_versal, everything, options(*EVERYTHING)) as guest:
            low_versal.uart.read_until(tasks.UART_GREETING.strip(), 120)
            low_versal.uart.send(tasks.UART_ANSWER)
            report = guest.finish()
        assert report.value("nic_sha256") == server.sha256
    assert report.value("uart_heard") == tasks.UART_ANSWER.decode().strip()
    assert before <= int(report.value("rtc_seconds")) <= time.time() + 1
    assert report.value("rtc_driver").startswith("rtc_zynqmp")
    assert report.value("card_sha256") == hashes[CARD_IMAGE]
    assert report.value("usb_sha256") == hashes[USB_IMAGE]
    assert report.value("disk_sha256") == hashes[DISK_IMAGE]
    assert report.value("dma_summary") == f"{tasks.COPIES} tests, 0 failures"
    assert report.status == 0


def test_explain_says_what_the_board_itself_uses_a_device_for(low_versal: RunningBoard) -> None:
    said = low_versal.run(["midway", "explain", OWN_NIC]).text
    assert "[interface-up]: its network interface eth0 is up" in said
    assert "What the host uses it for\n  nothing" in low_versal.run(["midway", "explain", DMA]).text
