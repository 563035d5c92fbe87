# SPDX-License-Identifier: Apache-2.0
"""vCPUs that stay where they were pinned, and host interrupts that follow the guest's; the versal board."""

import json

import pytest

from lab.test_trace import ASK
from midway.lab.guest import GuestTask
from midway.lab.guest_run import GuestRun
from midway.lab.running import RunningBoard

NIC = "ff0d0000.ethernet"
# Interrupts of the NIC go to the vCPU that is typed.
TASK = GuestTask(
    """
stty -echo
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
await_value /sys/class/net/eth0/carrier 1
irq=$(awk '/eth0/ { sub(":", "", $1); print $1; exit }' /proc/interrupts)
say ready yes
while read -r vcpu; do
    echo $((1 << vcpu)) >/proc/irq/$irq/smp_affinity
    ping -c 5 -i 0.1 -W 5 10.0.2.2 >/tmp/ping
    say pinged$vcpu "$(awk '/packets transmitted/ { print $4 }' /tmp/ping)"
    [ "$vcpu" = 0 ] && break
done
""",
    modules=("macb",),
    append="ipv6.disable=1",
)
# The program waits until the interrupt is there, at most 10 s, and says where it is.
AWAITED = """
import sys, time
path = f"/proc/irq/{sys.argv[1]}/effective_affinity_list"
end = time.monotonic() + 10
while (found := open(path).read().strip()) != sys.argv[2] and time.monotonic() < end:
    time.sleep(0.01)  # /proc tells of no change by itself
print(found)
"""


def options(*more: str) -> tuple[str, ...]:
    return ("--memory", "1024", "--cpus", "2", *more, "--device", NIC)


def host_irq(board: RunningBoard) -> str:
    script = f"sed -n 's/^ *\\([0-9]*\\):.*vfio-forward:{NIC}.*/\\1/p' /proc/interrupts"
    return board.run(["sh", "-c", script], check=True).text.strip()


def awaited(board: RunningBoard, irq: str, cpu: str) -> str:
    return board.run(["python3", "-c", AWAITED, irq, cpu], check=True).text.strip()


def taken(board: RunningBoard, irq: str) -> list[int]:
    """How many the host took, by CPU."""
    row = board.run(["sed", "-n", f"s/^ *{irq}://p", "/proc/interrupts"], check=True).text
    return [int(count) for count in row.split()[:2]]


@pytest.mark.parametrize("mode", ["forward", "irqfd"])
@pytest.mark.parametrize("pins", ["0,1", "1,0"])
def test_the_hosts_interrupt_is_where_the_vcpu_is_that_the_guest_routed_it_to(
    versal: RunningBoard, mode: str, pins: str
) -> None:
    first, second = pins.split(",")
    more = ("--pin", pins, "--irq-affinity", "follow")
    with GuestRun(versal, TASK, (*options(*more)[:-1], f"{NIC},irq={mode}")) as guest:
        guest.wait_for("ready")
        irq = host_irq(versal)
        before = versal.run(["cat", f"/proc/irq/{irq}/effective_affinity_list"], check=True).text.strip()
        assert before == first
        counts = taken(versal, irq)
        guest.write(b"1\n")
        assert awaited(versal, irq, second) == second
        assert guest.wait_for("pinged1") == "5"
        grown = [now - then for now, then in zip(taken(versal, irq), counts, strict=True)]
        assert grown[int(second)] > grown[int(first)]
        guest.write(b"0\n")
        assert awaited(versal, irq, first) == first
        report = guest.finish()
    assert report.value("pinged0") == "5"
    assert report.status == 0
    assert versal.run(["cat", f"/proc/irq/{irq}/smp_affinity_list"], check=True).text.strip() == "0-1"
    assert versal.run(["ls", "/sys/kernel/tracing/instances"], check=True).text == ""


def test_pinned_vcpus_may_run_on_their_cpu_only(versal: RunningBoard) -> None:
    task = GuestTask("say ready yes; sleep 600")
    with GuestRun(versal, task, ("--cpus", "2", "--pin", "1,0")) as guest:
        guest.wait_for("ready")
        (status,) = json.loads(versal.run(["python3", "-c", ASK, "status"], check=True).text)
        where = [
            versal.run(["sed", "-n", "s/^Cpus_allowed_list:\t//p", f"/proc/{vcpu}/status"]).text.strip()
            for vcpu in status["vcpus"]
        ]
    assert where == ["1", "0"]


def test_a_cpu_that_the_host_has_not_is_refused_before_anything_is_taken(versal: RunningBoard) -> None:
    with GuestRun(versal, TASK, options("--pin", "0,9")) as guest:
        report = guest.finish()
    assert report.status == 1
    assert "pinning a vCPU to CPU 9" in report.errors
