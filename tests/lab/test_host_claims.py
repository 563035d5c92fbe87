# SPDX-License-Identifier: Apache-2.0
"""Claiming devices of a running kernel and giving them back, judged by /sys, /proc and by traffic."""

import json
from collections.abc import Iterator

import pytest

from midway.lab.boards import HOST_ADDRESS
from midway.lab.connection import Completed
from midway.lab.running import RunningBoard

NIC = "ff0d0000.ethernet"
HOSTS_NIC = "ff0c0000.ethernet"
RESULT_CHANNEL = "a0000e00.virtio_mmio"
DMA_ENGINE = "ffa80000.dma"
RTC_ON_AMBA = "9010000.pl031"

CLAIM_AND_STAY = """
import signal, sys
from midway.host.claims import claim_all
with claim_all(sys.argv[1:]) as claims:
    print(*(claim.group.node for claim in claims), flush=True)
    signal.pause()
"""
OPEN_AND_STAY = """
import os, signal, sys
descriptor = os.open(sys.argv[1], os.O_RDWR)
print("open", flush=True)
signal.pause()
"""


def link(board: RunningBoard, device: str, name: str, bus: str = "platform") -> str | None:
    done = board.run(["readlink", f"/sys/bus/{bus}/devices/{device}/{name}"])
    return done.text.strip().rpartition("/")[2] or None


def driver(board: RunningBoard, device: str, bus: str = "platform") -> str | None:
    return link(board, device, "driver", bus)


def midway(board: RunningBoard, *argv: str) -> Completed:
    return board.run(["midway", *argv], timeout=60)


def refused(board: RunningBoard, *argv: str) -> str:
    """The one line with which the command fails."""
    done = midway(board, *argv)
    lines = done.stderr.decode().splitlines()
    assert (done.status, len(lines)) == (1, 1), done
    return lines[0]


def interface(board: RunningBoard, device: str) -> str:
    (name,) = board.run(["ls", f"/sys/bus/platform/devices/{device}/net"], check=True).text.split()
    return name


def is_up(board: RunningBoard, name: str) -> bool:
    return bool(int(board.get(f"/sys/class/net/{name}/flags"), 16) & 1)


def carries_traffic(board: RunningBoard, device: str) -> bool:
    """Whether the other end of the network answers through the device; leaves the interface down."""
    name = interface(board, device)
    board.run(["ip", "addr", "replace", "10.0.2.77/24", "dev", name, "noprefixroute"], check=True)
    board.run(["ip", "link", "set", name, "up"], check=True)
    try:
        ping = ["ping", "-I", name, "-c", "5", "-i", "0.2", "-W", "5", HOST_ADDRESS]
        return board.run(ping, timeout=60).status == 0
    finally:
        board.run(["ip", "link", "set", name, "down"], check=True)
        board.run(["ip", "addr", "flush", "dev", name], check=True)


@pytest.fixture
def board(versal: RunningBoard) -> Iterator[RunningBoard]:
    """The board, with everything given back at the end."""
    yield versal
    assert midway(versal, "release", "--all").status == 0


def test_a_claimed_nic_is_vfios_and_released_it_carries_traffic_again(board: RunningBoard) -> None:
    assert driver(board, NIC) == "macb"
    done = midway(board, "claim", NIC)
    assert (done.status, driver(board, NIC)) == (0, "vfio-forward")
    group = link(board, NIC, "iommu_group")
    assert f"/dev/vfio/{group}" in done.text
    assert board.run(["test", "-c", f"/dev/vfio/{group}"]).status == 0
    assert board.run(["test", "-e", f"/sys/bus/platform/devices/{NIC}/net"]).status == 1

    assert midway(board, "release", NIC).status == 0
    assert driver(board, NIC) == "macb"
    assert link(board, NIC, "iommu_group") is None
    assert board.get(f"/sys/bus/platform/devices/{NIC}/driver_override") == b"(null)\n"
    assert carries_traffic(board, NIC)


def test_a_nic_that_is_up_is_refused_unless_forced(board: RunningBoard) -> None:
    name = interface(board, NIC)
    board.run(["ip", "link", "set", name, "up"], check=True)
    try:
        assert f"{NIC}: in use by the host: its network interface {name} is up" in refused(
            board, "claim", NIC
        )
        assert (driver(board, NIC), is_up(board, name)) == ("macb", True)
        assert midway(board, "claim", "--force", NIC).status == 0
        assert driver(board, NIC) == "vfio-forward"
        assert midway(board, "release", NIC).status == 0
        assert carries_traffic(board, NIC)
    finally:
        midway(board, "release", "--all")
        board.run(["ip", "link", "set", interface(board, NIC), "down"], check=True)


def test_what_the_board_itself_needs_is_refused(board: RunningBoard) -> None:
    assert "is up" in refused(board, "claim", HOSTS_NIC)
    disk = board.run(["sh", "-c", "readlink -f /sys/block/vda | grep -o '[^/]*virtio_mmio'"], check=True)
    assert "its disk vda is" in refused(board, "claim", disk.text.strip())
    assert "/dev/vport" in refused(board, "claim", RESULT_CHANNEL)
    assert (driver(board, HOSTS_NIC), driver(board, RESULT_CHANNEL)) == ("macb", "virtio-mmio")


def test_an_absent_device_is_an_error_that_names_near_ones(board: RunningBoard) -> None:
    message = refused(board, "claim", "ff0d0001.ethernet")
    assert "no such device" in message
    assert NIC in message


def test_a_claim_of_several_devices_is_all_or_nothing(board: RunningBoard) -> None:
    refused(board, "claim", NIC, HOSTS_NIC)
    assert driver(board, NIC) == "macb"
    assert midway(board, "claim", NIC, DMA_ENGINE).status == 0
    assert (driver(board, NIC), driver(board, DMA_ENGINE)) == ("vfio-forward", "vfio-forward")
    assert midway(board, "release", "--all").status == 0
    assert (driver(board, NIC), driver(board, DMA_ENGINE)) == ("macb", None)


def test_a_device_whose_group_is_open_is_neither_claimed_again_nor_released(board: RunningBoard) -> None:
    midway(board, "claim", NIC)
    process = board.start(["python3", "-c", OPEN_AND_STAY, f"/dev/vfio/{link(board, NIC, 'iommu_group')}"])
    assert next(process.lines()) == "open"
    for command in ("claim", "release"):
        message = refused(board, command, NIC)
        assert f"{NIC}: busy" in message
        assert "python3 (pid " in message
    assert driver(board, NIC) == "vfio-forward"
    process.signal(9)
    process.wait()
    assert midway(board, "release", NIC).status == 0
    assert driver(board, NIC) == "macb"


def test_two_midways_do_not_get_the_same_device(board: RunningBoard) -> None:
    process = board.start(["python3", "-c", CLAIM_AND_STAY, NIC])
    assert next(process.lines()).startswith("/dev/vfio/")
    for command in ("claim", "release"):
        assert f"{NIC}: busy: process " in refused(board, command, NIC)
    process.signal(2)  # Python's KeyboardInterrupt: the claim ends in order
    process.wait()
    assert driver(board, NIC) == "macb"


def test_after_a_kill_the_device_can_be_released_and_carries_traffic(board: RunningBoard) -> None:
    process = board.start(["python3", "-c", CLAIM_AND_STAY, NIC, DMA_ENGINE])
    assert next(process.lines())
    process.signal(9)
    assert process.wait() == -9
    assert driver(board, NIC) == "vfio-forward"

    done = midway(board, "release", "--all")
    assert (done.status, done.text.count("\n")) == (0, 2)
    assert (driver(board, NIC), driver(board, DMA_ENGINE)) == ("macb", None)
    assert carries_traffic(board, NIC)
    assert "nothing is claimed" in midway(board, "release", "--all").text


def test_after_a_kill_the_next_claim_still_returns_the_device_to_its_driver(board: RunningBoard) -> None:
    for number in (9, 2):
        process = board.start(["python3", "-c", CLAIM_AND_STAY, NIC])
        assert next(process.lines())
        process.signal(number)
        process.wait()
    assert driver(board, NIC) == "macb"


def test_without_privileges_nothing_is_touched_and_the_error_says_so(board: RunningBoard) -> None:
    done = board.run(["setpriv", "--reuid=65534", "--clear-groups", "midway", "claim", NIC])
    assert done.status == 1
    assert b"run it as root" in done.stderr
    assert driver(board, NIC) == "macb"


def test_the_doctor_says_what_the_kernel_says(versal: RunningBoard) -> None:
    done = midway(versal, "doctor", "--json")
    report = json.loads(done.stdout)
    found = {check["code"]: check for check in report["checks"]}
    assert (done.status, report["can_run_guests"]) == (0, True)
    assert found["gic"]["found"] == "GICv3"
    assert found["eoi-mode"]["found"] == "split EOI/Deactivate"
    pools = "/sys/kernel/mm/hugepages/hugepages-1048576kB"
    free, total = (int(versal.get(f"{pools}/{name}_hugepages")) for name in ("free", "nr"))
    assert f"{free} of {total} free of 1 GiB" in found["huge-pages"]["found"]
    parameter = versal.get("/sys/module/vfio_forward/parameters/direct_dma").decode().strip()
    assert found["direct-dma"]["found"] == f"direct_dma={parameter}"


def test_a_device_whose_file_a_process_has_open_is_refused_with_its_name(virt: RunningBoard) -> None:
    clock = virt.run(["ls", f"/sys/bus/amba/devices/{RTC_ON_AMBA}/rtc"], check=True).text.strip()
    process = virt.start(["python3", "-c", OPEN_AND_STAY, f"/dev/{clock}"])
    assert next(process.lines()) == "open"
    message = refused(virt, "claim", RTC_ON_AMBA)
    assert f"has /dev/{clock} open" in message
    assert "python3 (pid " in message
    process.signal(9)
    process.wait()
    assert driver(virt, RTC_ON_AMBA, "amba") == "rtc-pl031"


def test_a_device_that_others_depend_on_is_refused_and_its_driver_cannot_let_go(virt: RunningBoard) -> None:
    listed = virt.run(["ls", "/sys/bus/platform/drivers/arm-smmu-v3"], check=True).text.split()
    (smmu,) = (name for name in listed if name.endswith(".smmuv3"))
    message = refused(virt, "claim", smmu)
    assert ".virtio_mmio depends on it" in message
    message = refused(virt, "claim", "--force", smmu)
    assert f"{smmu}: taking it from arm-smmu-v3" in message
    assert "at boot" in message
    assert driver(virt, smmu) == "arm-smmu-v3"
    assert virt.get(f"/sys/bus/platform/devices/{smmu}/driver_override") == b"(null)\n"


def test_a_device_of_the_amba_bus_comes_back_to_its_driver(virt: RunningBoard) -> None:
    assert driver(virt, RTC_ON_AMBA, "amba") == "rtc-pl031"
    assert midway(virt, "claim", RTC_ON_AMBA).status == 0
    assert driver(virt, RTC_ON_AMBA, "amba") == "vfio-forward"
    assert midway(virt, "release", RTC_ON_AMBA).status == 0
    assert driver(virt, RTC_ON_AMBA, "amba") == "rtc-pl031"
    clock = f"cat /sys/bus/amba/devices/{RTC_ON_AMBA}/rtc/rtc*/since_epoch"
    assert virt.run(["sh", "-c", clock], check=True).text.strip().isdigit()


def test_a_device_behind_an_iommu_keeps_its_group(virt: RunningBoard) -> None:
    listed = virt.run(
        ["sh", "-c", "ls -d /sys/bus/platform/devices/*.virtio_mmio/iommu_group"], check=True
    ).text
    device = listed.split("/")[5]
    group = link(virt, device, "iommu_group")
    before = driver(virt, device)
    done = midway(virt, "claim", device)
    assert (done.status, driver(virt, device)) == (0, "vfio-forward")
    assert f"/dev/vfio/{group}" in done.text
    assert midway(virt, "release", device).status == 0
    assert (driver(virt, device), link(virt, device, "iommu_group")) == (before, group)
