# SPDX-License-Identifier: Apache-2.0
"""Running VMs asked and traced on the versal board: a guest that downloads over the second NIC."""

import json
import signal
import xml.etree.ElementTree as ElementTree

import pytest

from midway.config import InterruptMode
from midway.lab.demo import DEVICE
from midway.lab.guest import GuestTask
from midway.lab.guest_run import GuestRun
from midway.lab.running import RunningBoard
from midway.lab.trace_pictures import traced

SOCKETS, INSTANCES = "/run/midway/vms", "/sys/kernel/tracing/instances"
ASK = """
import json, sys
from midway.vm.running import running_vms
print(json.dumps([vm.ask(sys.argv[1]) for vm in running_vms()]))
"""
IDLE = GuestTask("say ready yes; sleep 600")


def entries(board: RunningBoard, directory: str) -> list[str]:
    return board.run(["ls", directory], check=True).text.split()


@pytest.mark.parametrize("mode", list(InterruptMode))
def test_a_trace_counts_and_draws_the_lives_of_interrupts(versal: RunningBoard, mode: InterruptMode) -> None:
    found = traced(versal, mode, 0.5)
    per = found.counts["exits_per_interrupt"]
    assert found.counts["interrupts"] > 10
    assert found.counts["lost"] == 0
    if mode is InterruptMode.FORWARD:
        assert per["completion"] <= 0.02
    else:
        assert per["completion"] >= 0.95
    document = ElementTree.fromstring(found.svg.decode())  # noqa: S314 - our own
    assert f"mode {mode}" in "".join(document.itertext())
    assert entries(versal, INSTANCES) == []
    assert entries(versal, SOCKETS) == []


def test_a_running_vm_answers_and_stops_when_asked(versal: RunningBoard) -> None:
    with GuestRun(versal, IDLE, ("--cpus", "2")) as guest:
        guest.wait_for("ready")
        (status,) = json.loads(versal.run(["python3", "-c", ASK, "status"], check=True).text)
        tasks = versal.run(["ls", f"/proc/{status['pid']}/task"], check=True).text.split()
        assert len(status["vcpus"]) == 2
        assert {str(task) for task in status["vcpus"]} < set(tasks)
        versal.run(["python3", "-c", ASK, "stop"], check=True)
        assert guest.finish().summary["outcome"] == "stopped"
    assert entries(versal, SOCKETS) == []


@pytest.mark.parametrize(
    ("number", "left"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, 0), (signal.SIGKILL, 1)]
)
def test_a_trace_that_is_ended_leaves_nothing_and_the_next_one_removes_what_a_killed_one_left(
    versal: RunningBoard, number: int, left: int
) -> None:
    appears = f"until [ $(ls {INSTANCES} | wc -l) = 1 ]; do :; done"
    with GuestRun(versal, IDLE, ("--memory", "1024", "--device", DEVICE)) as guest:
        guest.wait_for("ready")
        trace = versal.start(["midway", "trace", DEVICE, "--seconds", "60"])
        versal.run(["timeout", "60", "sh", "-c", appears], check=True)
        trace.signal(number)
        assert trace.wait(60) != 0
        assert len(entries(versal, INSTANCES)) == left
        quiet = versal.run(["midway", "trace", DEVICE, "--seconds", "0.1"], check=True).text
        assert "no interrupt was seen" in quiet
        assert entries(versal, INSTANCES) == []


def test_a_lines_mode_is_changed_while_the_guest_runs(versal: RunningBoard) -> None:
    with GuestRun(versal, IDLE, ("--memory", "1024", "--device", f"{DEVICE},irq=irqfd")) as guest:
        guest.wait_for("ready")
        for mode in ("forward", "userspace", "irqfd"):
            said = versal.run(["midway", "mode", DEVICE, mode], check=True).text
            assert f"line 0 -> SPI 1, {mode}: 0 interrupts" in said
        refused = versal.run(["midway", "mode", DEVICE, "forward", "--line", "7"])
        assert refused.status == 1
        assert b"the VM has no such line" in refused.stderr


def test_a_killed_vms_socket_stays_but_is_taken_for_nobodys(versal: RunningBoard) -> None:
    with GuestRun(versal, IDLE) as guest:
        guest.wait_for("ready")
        guest.signal(signal.SIGKILL)
        guest.finish()
    assert len(entries(versal, SOCKETS)) == 1
    assert versal.run(["python3", "-c", ASK, "status"], check=True).text.strip() == "[]"
    refused = versal.run(["midway", "trace", DEVICE])
    assert refused.status == 1
    assert b"no running VM has it" in refused.stderr
    with GuestRun(versal, IDLE) as guest:
        guest.wait_for("ready")
        assert len(entries(versal, SOCKETS)) == 1
