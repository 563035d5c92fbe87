# SPDX-License-Identifier: Apache-2.0
"""The demonstration: the second Ethernet MAC of the Versal board goes to a guest and comes back.

Every number in the result is measured in the run: by the guest, by Midway, or by the board's kernel.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from midway.config import InterruptMode
from midway.errors import LabError
from midway.lab.boards import HOST_ADDRESS
from midway.lab.guest import GuestReport, GuestTask
from midway.lab.guest_run import GuestRun
from midway.lab.progress import step
from midway.lab.running import RunningBoard
from midway.lab.server import DownloadServer

__all__ = ["DEVICE", "DOWNLOAD_SIZE", "run_demo"]

DEVICE = "ff0d0000.ethernet"
HOST_DEVICE = "ff0c0000.ethernet"
DOWNLOAD_SIZE = 8 << 20  # bytes
_PINGS = 20
_ADDRESS = "10.0.2.15/24"  # what QEMU's user network expects of a machine on it

_TASK = f"""
ip link set lo up
ip link set eth0 up
ip addr add {_ADDRESS} dev eth0
await_value /sys/class/net/eth0/carrier 1
say ready "$(cat /sys/class/net/eth0/carrier)"
before=$(interrupts eth0)
mark 2
ping -c {_PINGS} -i 0.1 -W 5 {HOST_ADDRESS} >/tmp/ping
wget -q -O /tmp/blob "$URL"
mark 3
after=$(interrupts eth0)
ip link set eth0 down
say interrupts $((after - before))
set -- $(grep 'packets transmitted' /tmp/ping)
say ping_sent "$1"
say ping_received "$4"
say bytes "$(stat -c %s /tmp/blob)"
say sha256 "$(sha256sum /tmp/blob | cut -d ' ' -f 1)"
"""


@dataclass(frozen=True, slots=True)
class HostDownload:
    """What the board's own kernel fetched over one of its NICs."""

    sha256: str
    driver: str
    link_up: bool


def run_demo(board: RunningBoard, mode: InterruptMode | None = None) -> Mapping[str, Any]:
    """Run the demonstration on a booted Versal board; the object that ``midway lab demo --json`` writes.

    `mode` is how the NIC's interrupts are delivered, None for the best that is offered.
    """
    device = DEVICE if mode is None else f"{DEVICE},irq={mode}"
    taken_from = _driver(board, DEVICE)
    with DownloadServer(DOWNLOAD_SIZE) as server:
        url = f"http://{HOST_ADDRESS}:{server.port}/blob"
        task = GuestTask(script=f"URL={url}\n{_TASK}", modules=("macb",), append="ipv6.disable=1")
        with GuestRun(board, task, ("--memory", "1024", "--device", device)) as guest:
            with step(f"a guest boots and takes over {DEVICE}"):
                guest.wait_for("ready")
            with step(f"it downloads {DOWNLOAD_SIZE >> 20} MiB over it, the host over {HOST_DEVICE}"):
                beside = _download(board, HOST_DEVICE, url)
                report = guest.finish()
        with step(f"{DEVICE} is back with its driver and downloads the same"), _network_over(board, DEVICE):
            released = _download(board, DEVICE, url)
        return _result(board, server.sha256, taken_from, report, beside, released)


@contextmanager
def _network_over(board: RunningBoard, device: str) -> Iterator[None]:
    """The board's network over the NIC of `device` instead of its own, for the time of the block."""
    own, other = _interface(board, HOST_DEVICE), _interface(board, device)
    board.run(["ip", "link", "set", own, "down"], check=True)
    board.run(["ip", "address", "add", _ADDRESS, "dev", other], check=True)
    board.run(["ip", "link", "set", other, "up"], check=True)
    try:
        yield
    finally:
        board.run(["ip", "address", "flush", "dev", other], check=True)
        board.run(["ip", "link", "set", other, "down"], check=True)
        board.run(["ip", "link", "set", own, "up"], check=True)


def _interface(board: RunningBoard, device: str) -> str:
    names = board.run(["ls", f"/sys/bus/platform/devices/{device}/net"]).text.split()
    if not names:
        raise LabError("the board's kernel has no network interface for it", device=device)
    return names[0]


def _download(board: RunningBoard, device: str, url: str) -> HostDownload:
    board.run(["busybox", "wget", "-q", "-O", "/tmp/blob", url], check=True)  # noqa: S108
    sha256 = board.run(["sha256sum", "/tmp/blob"], check=True).text.split()[0]  # noqa: S108
    carrier = board.run(["cat", f"/sys/class/net/{_interface(board, device)}/carrier"], check=True).text
    return HostDownload(sha256, _driver(board, device), carrier.strip() == "1")


def _driver(board: RunningBoard, device: str) -> str:
    path = f"/sys/bus/platform/devices/{device}/driver"
    return board.run(["readlink", path], check=True).text.strip().rpartition("/")[2]


def _result(
    board: RunningBoard,
    sha256: str,
    taken_from: str,
    report: GuestReport,
    beside: HostDownload,
    released: HostDownload,
) -> Mapping[str, Any]:
    if not report.summary.get("devices"):
        raise LabError(f"passing {DEVICE} to a guest", answer=report.errors.strip()[-400:])
    device = report.summary["devices"][0]
    traffic = report.interval(2, 3)
    host = traffic["interrupts"]
    each = max(host, 1)  # that there was none is a failure of its own
    return {
        "board": board.board.name,
        "kernel": board.root.kernel_release,
        "device": DEVICE,
        "taken_from": taken_from,
        "dma": device["dma"],
        "regions": {"mapped": device["mapped"], "trapped": device["trapped"]},
        "irq": {
            "mode": report.summary["final"]["lines"][0]["mode"],
            "host": host,
            "guest": int(report.value("interrupts")),
            "user_exits_per_irq": round(traffic["user_exits"] / each, 4),
            "exits_per_irq": round(traffic["exits"] / each, 2),
        },
        "ping": {"sent": int(report.value("ping_sent")), "received": int(report.value("ping_received"))},
        "download": {"bytes": int(report.value("bytes") or 0), "sha256_ok": report.value("sha256") == sha256},
        "host_nic": {"sha256_ok": beside.sha256 == sha256},
        "vmm": {
            "rss_mb": report.summary["rss_mb"],
            "exec_to_first_instruction_s": report.summary["exec_to_first_run_s"],
        },
        "guest": {"boot_s": round(report.summary["marks"][0]["seconds"], 2)},
        "released": {
            "driver": released.driver,
            "link_up": released.link_up,
            "sha256_ok": released.sha256 == sha256,
        },
        "findings": report.summary["findings"],
    }
