# SPDX-License-Identifier: Apache-2.0
"""How VMs live and end, on emulated boards and without any device."""

import json
import signal

import pytest

from midway.devicetree.read import read
from midway.lab.guest import GuestReport, GuestTask
from midway.lab.guest_run import GuestRun, run_guest
from midway.lab.running import RunningBoard

TYPED = 9000
TYPING = f"""
stty -echo -icanon -icrnl min 1
say ready yes
head -c {TYPED} >/tmp/typed
say typed $(wc -c </tmp/typed)
say other $(tr -d a </tmp/typed | wc -c)
"""
LISTENING = """
stty -echo
say ready yes
until [ "$line" = late ]; do read -r line; done
say heard "$line"
"""
PANIC_REGISTER = """
devmem 0x$(hexdump -v -n 8 -e '8/1 "%02x"' /proc/device-tree/pvpanic@*/reg) 8 1
sleep 600
"""


def facts(report: GuestReport) -> tuple[int, str]:
    return report.status, str(report.summary.get("outcome"))


@pytest.mark.parametrize("cpus", [1, 8])
def test_a_guest_has_the_cpus_it_was_given_and_powers_off(each_board: RunningBoard, cpus: int) -> None:
    report = run_guest(each_board, GuestTask("say cpus $(nproc)"), ("--cpus", str(cpus)))
    assert facts(report) == (0, "power-off")
    assert report.value("cpus") == str(cpus)
    assert len(report.summary["final"]["vcpus"]) == cpus


def test_a_guests_reset_is_status_three(versal: RunningBoard) -> None:
    report = run_guest(versal, GuestTask("reboot -f"))
    assert facts(report) == (3, "reset")


@pytest.mark.parametrize("append", ["panic=0", "panic=-1"])
def test_a_guests_panic_is_status_four_with_its_first_line(versal: RunningBoard, append: str) -> None:
    report = run_guest(versal, GuestTask("echo c >/proc/sysrq-trigger", append=append))
    assert facts(report) == (4, "panic")
    assert "Kernel panic - not syncing: sysrq triggered crash" in report.errors


def test_a_write_to_the_panic_register_is_a_panic(versal: RunningBoard) -> None:
    assert facts(run_guest(versal, GuestTask(PANIC_REGISTER))) == (4, "panic")


@pytest.mark.parametrize(("number", "status", "cpus"), [(signal.SIGINT, 130, 1), (signal.SIGTERM, 143, 4)])
def test_a_signal_stops_a_busy_guest_cleanly(
    versal: RunningBoard, number: int, status: int, cpus: int
) -> None:
    task = GuestTask("for cpu in 1 2 3 4; do while :; do :; done & done; say busy yes; wait")
    with GuestRun(versal, task, ("--cpus", str(cpus))) as guest:
        assert guest.wait_for("busy") == "yes"
        guest.signal(number)
        report = guest.finish()
    assert facts(report) == (status, "stopped")


def test_a_signal_stops_a_guest_that_sleeps(versal: RunningBoard) -> None:
    with GuestRun(versal, GuestTask("say asleep yes; sleep 600")) as guest:
        assert guest.wait_for("asleep") == "yes"
        guest.signal(signal.SIGTERM)
        assert facts(guest.finish()) == (143, "stopped")


def test_what_is_typed_reaches_the_guest_whole(versal: RunningBoard) -> None:
    with GuestRun(versal, GuestTask(TYPING)) as guest:
        assert guest.wait_for("ready") == "yes"
        guest.write(b"a" * TYPED)
        report = guest.finish()
    assert (report.value("typed"), report.value("other")) == (str(TYPED), "0")


def test_more_early_input_than_the_uart_holds_does_not_end_the_input(versal: RunningBoard) -> None:
    with GuestRun(versal, GuestTask(LISTENING)) as guest:
        guest.write(b"early\n" * 1000)
        assert guest.wait_for("ready") == "yes"
        guest.write(b"late\n")
        assert guest.finish().value("heard") == "late"


def test_memory_of_hugetlbfs_backs_a_guest(versal: RunningBoard) -> None:
    report = run_guest(
        versal,
        GuestTask("say memory $(awk '/MemTotal/ { print $2 }' /proc/meminfo)"),
        ("--backing", "hugetlb", "--memory", "1024"),
    )
    assert facts(report) == (0, "power-off")
    assert int(report.value("memory")) > 900 << 10


def test_too_little_huge_memory_is_refused_with_the_command(versal: RunningBoard) -> None:
    report = run_guest(versal, GuestTask(""), ("--backing", "hugetlb", "--memory", "3072"))
    assert report.status == 1
    assert "huge pages" in report.errors
    assert "nr_hugepages" in report.errors
    assert "Traceback" not in report.errors


def test_a_guest_may_have_a_gicv2_where_the_host_has_one(virt_gicv2: RunningBoard) -> None:
    script = "say gic $(grep -c GIC-0 /proc/interrupts); say cpus $(nproc)"
    report = run_guest(virt_gicv2, GuestTask(script), ("--cpus", "2"))
    assert facts(report) == (0, "power-off")
    assert int(report.value("gic")) > 0
    assert report.value("cpus") == "2"


def test_a_gic_the_host_has_not_is_refused(virt_gicv2: RunningBoard) -> None:
    report = run_guest(virt_gicv2, GuestTask(""), ("--gic", "3"))
    assert report.status == 1
    assert "this host offers GICv2" in report.errors


def test_what_was_planned_is_written_down_and_is_what_the_guest_sees(versal: RunningBoard) -> None:
    script = "say memory $(hexdump -v -e '1/1 \"%02x\"' /proc/device-tree/memory@*/reg)"
    files = ("/run/dumped.dtb", "/run/dumped.json")
    options = ("--dump-dtb", files[0], "--dump-plan", files[1])
    report = run_guest(versal, GuestTask(script), options)
    tree, plan = read(versal.get(files[0])), json.loads(versal.get(files[1]))
    versal.run(["rm", *files], check=True)
    memory = next(node for node in tree.children if node.name.startswith("memory@"))
    assert report.value("memory") == memory.properties["reg"].hex()
    assert plan["banks"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--kernel", "/bin/true"], "ELF file for arm64"),
        (["--kernel", "/nonexistent"], "No such file"),
        (["--kernel", "/boot/VMLINUZ", "--initrd", "/nonexistent"], "reading initrd"),
        (["--kernel", "/boot/VMLINUZ", "--device", "none.such"], "none.such"),
    ],
)
def test_what_cannot_run_is_one_line(versal: RunningBoard, argv: list[str], words: str) -> None:
    kernel = f"vmlinuz-{versal.root.kernel_release}"
    done = versal.run(["midway", "run", *(word.replace("VMLINUZ", kernel) for word in argv)])
    errors = done.stderr.decode()
    assert done.status == 1
    assert words in errors
    assert errors.startswith("midway: ")
    assert errors.count("\n") == 1


def test_without_privilege_the_remedy_is_named(versal: RunningBoard) -> None:
    kernel = f"/boot/vmlinuz-{versal.root.kernel_release}"
    done = versal.run(["setpriv", "--reuid", "65534", "--clear-groups", "midway", "run", "--kernel", kernel])
    assert done.status == 1
    assert "/dev/kvm: Permission denied" in done.stderr.decode()
