# SPDX-License-Identifier: Apache-2.0
"""``midway bench run`` on one board, without a peer; `test_pair.py` has the loads of a network."""

import json
from collections.abc import Mapping
from typing import Any

from midway.lab.running import RunningBoard

NIC = "ff0d0000.ethernet"
DISK = "a0000000.virtio_mmio"


def bench(board: RunningBoard, *options: str) -> Mapping[str, Any]:
    argv = ["midway", "bench", "run", "--repetitions", "1", "--seconds", "1", "--json", "/root/r.json"]
    board.run([*argv, *options], timeout=900, check=True)
    results: Mapping[str, Any] = json.loads(board.get("/root/r.json"))
    return results


def state_of(board: RunningBoard, interface: str) -> tuple[str, str]:
    """The device's driver, and its interface's state and addresses."""
    driver = board.run(["readlink", f"/sys/bus/platform/devices/{NIC}/driver"], check=True).text
    return driver.strip().rpartition("/")[2], board.run(["ip", "-brief", "addr", "show", interface]).text


def test_a_disk_is_measured_without_a_peer(versal: RunningBoard) -> None:
    results = bench(versal, "--device", DISK, "--modes", "native,irqfd")
    native, irqfd = (run["counts"] for run in results["runs"])
    assert native["operations"] > 0
    # A read is an interrupt; fio looks at the disk before it begins.
    assert native["operations"] <= native["host_interrupts"] <= native["operations"] + 10
    assert irqfd["guest_interrupts"] == irqfd["host_interrupts"] >= irqfd["operations"] > 0


def test_a_peer_that_does_not_answer_is_an_error_and_the_nic_is_given_back(versal: RunningBoard) -> None:
    interface = versal.run(["ls", f"/sys/bus/platform/devices/{NIC}/net"], check=True).text.strip()
    before = state_of(versal, interface)
    nobody = ("--address", "10.0.2.16/24", "--peer", "10.0.2.99", "--modes", "native")
    done = versal.run(["midway", "bench", "run", "--device", NIC, *nobody], timeout=300)
    assert done.status == 1
    assert b"measuring in mode native, preparing" in done.stderr
    assert f"no answer from 10.0.2.99 on {interface}".encode() in done.stderr
    assert state_of(versal, interface) == before
