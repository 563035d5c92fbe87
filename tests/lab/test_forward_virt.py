# SPDX-License-Identifier: Apache-2.0
"""Forwarded interrupts on the virt boards (VHE): a disk under load, switched and closed at bad moments."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import loads
from midway.lab.guest import GuestReport, GuestTask
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard

DISK = "a000000.virtio_mmio"
PROGRAM = Path(__file__).parent / "programs/forwarding.py"
READS = 2000
MASKED_READS = 300
SWITCHES = {"switch_two": 1000, "switch_three": 300}
PLATFORM = "/sys/bus/platform"
EITHER_GIC = pytest.mark.parametrize("each_board", ["virt", "virt-gicv2"], indirect=True)


def options(board: RunningBoard, mode: str) -> tuple[str, ...]:
    device = DISK if mode == "default" else f"{DISK},irq={mode}"
    return ("--memory", "1024", "--backing", "direct", *loads.placing(board), "--device", device)


def tampered(board: RunningBoard, action: str, task: GuestTask, mode: str = "forward") -> GuestRun:
    board.put("/run/forwarding.py", PROGRAM.read_bytes())
    return GuestRun(board, task, options(board, mode), ("python3", "/run/forwarding.py", action))


def codes(report: GuestReport) -> set[str]:
    return {finding["code"] for finding in report.summary["findings"]}


def everything_arrived(report: GuestReport, reads: int) -> bool:
    assert report.value("disk_read") == str(reads)
    on_the_host = int(report.interval(2, 3)["interrupts"])
    return int(report.value("disk_interrupts")) == on_the_host >= reads


def host_reads_its_disk(board: RunningBoard) -> None:
    """The native driver has its interrupts."""
    script = (
        f"dd if=/dev/$(ls {PLATFORM}/devices/{DISK}/virtio*/block) of=/dev/null bs=4k count=64 iflag=direct"
    )
    assert board.run(["sh", "-c", script], timeout=30).status == 0


@pytest.mark.parametrize(
    ("each_board", "mode"),
    [("virt", "irqfd"), ("virt", "default"), ("virt-gicv2", "forward")],
    indirect=["each_board"],
)
def test_every_interrupt_of_a_busy_disk_arrives(each_board: RunningBoard, mode: str) -> None:
    report = run_guest(each_board, loads.disk_load(READS), options(each_board, mode))
    assert everything_arrived(report, READS)
    (line,) = report.summary["final"]["lines"]
    assert line["mode"] == ("irqfd" if mode == "irqfd" else "forward")
    # One after the first 1000 goes the other way, so that the driver can look at the line.
    assert line["host"] - line["forwarded"] == (line["host"] if mode == "irqfd" else 1)
    assert "forward-unavailable" not in codes(report)


@pytest.mark.parametrize(
    ("each_board", "action"),
    [("virt", "switch_two"), ("virt", "switch_three"), ("virt-gicv2", "switch_two")],
    indirect=["each_board"],
)
def test_nothing_is_lost_or_stuck_when_the_mode_changes_under_traffic(
    each_board: RunningBoard, action: str
) -> None:
    with tampered(each_board, action, loads.disk_load_until_told()) as guest:
        assert int(guest.wait_for("switches")) == SWITCHES[action]
        guest.write(b"enough\n")
        report = guest.finish()
    reads = int(report.value("disk_read"))
    assert reads > 0
    if action == "switch_two":
        assert everything_arrived(report, reads)
    (line,) = report.summary["final"]["lines"]
    assert 0 < line["forwarded"] < line["host"]


def test_a_forwarded_line_that_is_masked_again_and_again_is_not_stuck(virt: RunningBoard) -> None:
    with tampered(virt, "mask_often", loads.disk_load(MASKED_READS)) as guest:
        report = guest.finish()
    assert int(report.value("masked")) > 0
    assert report.value("disk_read") == str(MASKED_READS)
    assert int(report.value("disk_interrupts")) >= MASKED_READS
    (line,) = report.summary["final"]["lines"]
    assert line["forwarded"] == line["host"]


def test_what_cannot_be_forwarded_is_refused_with_an_errno_of_its_own(virt: RunningBoard) -> None:
    with tampered(virt, "refuse", GuestTask("sleep 600")) as guest:
        assert guest.wait_for("no_trigger") == "ENOTCONN"
        said = {name: guest.wait_for(name) for name in ("other_spi", "no_spi", "no_line", "no_eventfd")}
        guest.finish()
    assert said == {"other_spi": "EBUSY", "no_spi": "EINVAL", "no_line": "EINVAL", "no_eventfd": "EINVAL"}


@EITHER_GIC
@pytest.mark.parametrize(
    ("action", "state"),
    [("close_device_first", "active"), ("close_device_first", "pending"), ("close_vm_first", "pending")],
)
def test_whatever_is_closed_first_in_an_interrupt_the_native_driver_works(
    each_board: RunningBoard, action: str, state: str
) -> None:
    with tampered(each_board, action, loads.stuck_disk(state)) as guest:
        assert guest.wait_for("stuck") == "yes"
        assert int(guest.wait_for("tries")) < 1000
        guest.write(b"go\n")
        assert guest.wait_for("closed") == "yes"
        script = (
            f"cd {PLATFORM}; echo {DISK} >drivers/vfio-forward/unbind;"
            f" echo >devices/{DISK}/driver_override; echo {DISK} >drivers_probe"
        )
        each_board.run(["sh", "-c", script], check=True)
        host_reads_its_disk(each_board)
        guest.write(b"go\n")
        guest.finish()
    each_board.run(["midway", "release", "--all"])
    host_reads_its_disk(each_board)


@EITHER_GIC
def test_a_line_gets_other_eventfds_in_the_midst_of_an_interrupt(each_board: RunningBoard) -> None:
    with tampered(each_board, "replace", loads.stuck_disk("active")) as guest:
        assert guest.wait_for("stuck") == "yes"
        guest.write(b"go\n")
        assert guest.wait_for("replaced") == "yes"
        guest.finish()
    each_board.run(["midway", "release", "--all"])
    host_reads_its_disk(each_board)


@EITHER_GIC
def test_a_line_is_released_although_its_guest_keeps_the_interrupt_active(each_board: RunningBoard) -> None:
    with tampered(each_board, "release_masked", loads.always_active_disk()) as guest:
        assert guest.wait_for("active") == "True"
        assert guest.wait_for("released") == "yes"
        guest.finish()
    each_board.run(["midway", "release", "--all"])
    host_reads_its_disk(each_board)


@EITHER_GIC
@pytest.mark.parametrize("state", ["active", "pending"])
def test_a_vm_that_is_killed_in_an_interrupt_leaves_a_line_that_works(
    each_board: RunningBoard, state: str
) -> None:
    with GuestRun(each_board, loads.stuck_disk(state), options(each_board, "forward")) as guest:
        assert guest.wait_for("stuck") == "yes"
        assert int(guest.wait_for("tries")) < 1000
        guest.signal(signal.SIGKILL)
        guest.finish()
    each_board.run(["midway", "release", DISK], check=True)
    host_reads_its_disk(each_board)


@pytest.fixture
def without_forwarding(virt: RunningBoard) -> Iterator[RunningBoard]:
    """The driver as on a kernel whose KVM has no way to forward."""
    module = "/opt/midway/drivers/vfio-forward.ko"
    load = f"rmmod vfio_forward && insmod {module} direct_dma=1"
    virt.run(["sh", "-c", f"{load} forward=0"], check=True)
    yield virt
    virt.run(["sh", "-c", load], check=True)


def test_without_entry_points_the_default_is_irqfd_with_a_finding_and_a_demand_is_an_error(
    without_forwarding: RunningBoard,
) -> None:
    report = run_guest(without_forwarding, loads.disk_load(20), options(without_forwarding, "default"))
    assert [line["mode"] for line in report.summary["final"]["lines"]] == ["irqfd"]
    assert "forward-unavailable" in codes(report)
    refused = run_guest(without_forwarding, loads.disk_load(20), options(without_forwarding, "forward"))
    assert refused.status == 1
    assert "[ENOTTY]" in refused.errors
