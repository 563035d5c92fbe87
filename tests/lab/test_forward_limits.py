# SPDX-License-Identifier: Apache-2.0
"""Where forwarding ends: lines it has nothing for, and a guest that resets in the middle of its traffic."""

from pathlib import Path

from lab import tasks
from midway.lab.guest import GuestTask
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard

PROGRAM = Path(__file__).parent / "programs/forwarding.py"
EDGE_DISK = "a0000000.virtio_mmio"  # of the versal board, whose tree says edge
NIC = "ff0d0000.ethernet"

RESET = """
dd if=/dev/vda of=/dev/null bs=4k iflag=direct 2>/dev/null &
tries=0
until [ "$(interrupts virtio)" -ge 100 ] || [ $tries -ge 1000 ]; do tries=$((tries + 1)); done
say interrupts "$(interrupts virtio)"
reboot -f
"""


def refusals(board: RunningBoard, device: str) -> dict[str, str]:
    """What the kernel answers to what cannot be forwarded, by what was wished."""
    board.put("/run/forwarding.py", PROGRAM.read_bytes())
    options = ("--memory", "1024", "--device", f"{device},irq=irqfd")
    program = ("python3", "/run/forwarding.py", "refuse")
    with GuestRun(board, GuestTask("sleep 600"), options, program) as guest:
        guest.wait_for("no_trigger")
        return dict(guest.finish().said)


def test_an_edge_line_is_not_forwarded(versal: RunningBoard) -> None:
    assert refusals(versal, EDGE_DISK)["no_trigger"] == "ENOTSUP"  # EOPNOTSUPP: one number on Linux
    report = run_guest(versal, tasks.disk(), ("--memory", "1024", "--device", f"{EDGE_DISK},irq=forward"))
    assert [line["mode"] for line in report.summary["final"]["lines"]] == ["irqfd"]
    assert "line-edge" in {finding["code"] for finding in report.summary["findings"]}


def test_a_line_listed_twice_is_one_line_and_forwarded(versal: RunningBoard) -> None:
    task = GuestTask("ip link set eth0 up\nawait_value /sys/class/net/eth0/carrier 1\n", modules=("macb",))
    report = run_guest(versal, task, ("--memory", "1024", "--device", NIC))
    (line,) = report.summary["final"]["lines"]
    assert (line["line"], line["mode"]) == (0, "forward")
    assert line["forwarded"] == line["host"] > 0
    assert refusals(versal, NIC)["next_line"] == "EINVAL"  # as of any line that is not there


def test_a_guest_that_resets_under_load_leaves_a_disk_that_works(virt: RunningBoard) -> None:
    disk = "a000000.virtio_mmio"
    options = ("--memory", "1024", "--backing", "direct", "--device", f"{disk},irq=forward")
    report = run_guest(virt, GuestTask(RESET, modules=("virtio_mmio", "virtio_blk")), options)
    assert int(report.value("interrupts")) >= 100
    assert report.status == 3
    expected = tasks.fill(virt.images / "midway-spare", seed=3)
    again = run_guest(virt, tasks.disk(), options)
    assert again.value("disk_sha256") == expected
