# SPDX-License-Identifier: Apache-2.0
"""Forwarded interrupts of the Versal board's NIC."""

import pytest

from lab import tasks
from midway.lab.guest_run import run_guest
from midway.lab.running import RunningBoard
from midway.lab.server import DownloadServer

NIC = "ff0d0000.ethernet"


@pytest.mark.parametrize("cpus", [1, 4])
def test_a_nic_carries_traffic_forwarded_and_returns_to_its_driver(versal: RunningBoard, cpus: int) -> None:
    options = ("--memory", "1024", "--cpus", str(cpus), "--device", f"{NIC},irq=forward")
    with DownloadServer(1 << 20) as server:
        report = run_guest(versal, tasks.nic(server.port), options)
        assert report.value("nic_sha256") == server.sha256
    assert report.value("pings_lost") == "0"
    traffic = report.interval(2, 3)
    assert int(report.value("nic_interrupts")) == traffic["interrupts"] > 10
    assert traffic["user_exits"] == 0
    (line,) = report.summary["final"]["lines"]
    assert line["mode"] == "forward"
    assert line["forwarded"] == line["host"]
    driver = versal.run(["readlink", f"/sys/bus/platform/devices/{NIC}/driver"]).text.strip()
    assert driver.endswith("/macb")
