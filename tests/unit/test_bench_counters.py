# SPDX-License-Identifier: Apache-2.0
"""What a benchmark reads of the host before and after a load, from made-up files of a host."""

from typing import Any

import pytest

from midway.bench.counters import HostCounters, HostSnapshot, cpu_time
from midway.bench.midway_vmm import exact_counts
from midway.bench.runs import as_run, counted
from midway.bench.vmm import ExactCounts
from midway.bench.window import Window
from midway.bench.workloads import named
from midway.errors import HostError
from unit.conftest import FakeHost
from unit.test_bench_tools import UNDER_LOAD

PID = 548
# state, then 10 fields; user, system; 26 fields; guest, and its children's
STAT = f"{PID} (a (name) of) S {'0 ' * 10}300 250 {'0 ' * 27}120 0\n"


@pytest.fixture
def host(fake_host: FakeHost) -> FakeHost:
    fake_host.text("proc/stat", "cpu  100 20 300 4000 50 6 70 0 90 0\ncpu0 1 2 3\n")
    fake_host.text(f"proc/{PID}/stat", STAT)
    for irq, (chip, number, counts) in {
        19: ("GICv3", 90, "40,2"),
        20: ("GICv3", 91, "7,0"),
        21: ("MSI", 90, "1000,0"),
    }.items():
        fake_host.text(f"sys/kernel/irq/{irq}/chip_name", f"{chip}\n")
        fake_host.text(f"sys/kernel/irq/{irq}/hwirq", f"{number}\n")
        fake_host.text(f"sys/kernel/irq/{irq}/per_cpu_count", f"{counts}\n")
    kvm = f"sys/kernel/debug/kvm/{PID}-7"
    for name, value in {"exits": 900, "wfi_exit_stat": 40, "mmio_exit_user": 30, "halt_wakeup": 9}.items():
        fake_host.text(f"{kvm}/{name}", f"{value}\n")
    fake_host.text(f"{kvm}/vgic-state", "a long text\n" * 100)
    fake_host.text("sys/kernel/debug/kvm/5480-7/exits", "1\n")
    return fake_host


def test_the_devices_interrupts_are_counted_by_their_number_at_the_gic(host: FakeHost) -> None:
    assert HostCounters((90,), host.files).snapshot().interrupts == 42
    assert HostCounters((90, 91), host.files).snapshot().interrupts == 49


def test_busy_is_all_but_idle_and_waiting(host: FakeHost) -> None:
    ticks = 100  # USER_HZ, of the kernel's interface everywhere
    assert HostCounters((), host.files).snapshot().busy == (100 + 20 + 300 + 6 + 70) / ticks


def test_what_the_vmm_spent_in_the_guest_is_not_its_own(host: FakeHost) -> None:
    snapshot = HostCounters((), host.files).snapshot(PID)
    assert snapshot.vmm == pytest.approx(4.3)
    assert snapshot.guest == pytest.approx(1.2)


def test_exits_are_kvms_of_this_vm_alone(host: FakeHost) -> None:
    assert HostCounters((), host.files).snapshot(PID).kvm == {
        "exits": 900,
        "wfi_exit_stat": 40,
        "mmio_exit_user": 30,
    }


def test_a_vmm_that_is_gone_is_an_error(host: FakeHost) -> None:
    with pytest.raises(HostError, match="processor time of process 77: it is gone"):
        HostCounters((), host.files).snapshot(77)


def snapshot(seconds: float, interrupts: int, **more: object) -> HostSnapshot:
    values: dict[str, Any] = {"busy": 0.0, "vmm": None, "guest": None, **more}
    return HostSnapshot(seconds=seconds, interrupts=interrupts, **values)


def window(before: HostSnapshot, after: HostSnapshot, guest_interrupts: int | None = None) -> Window:
    (workload,) = named(["irq_rate"])
    return Window(workload, 2, UNDER_LOAD, before, after, guest_interrupts)


def test_a_native_run_has_no_exits_and_no_guest() -> None:
    run = as_run("native", 3, window(snapshot(10, 5, busy=1.0), snapshot(12.5, 105, busy=2.5)))
    assert (run.workload, run.mode, run.repetition, run.seconds) == ("irq_rate", "native", 3, 2.5)
    assert run.rates == {"packets_per_s": 406200.0, "interrupts_per_s": 50.0}
    assert (run.counts.host_interrupts, run.counts.guest_interrupts, run.counts.exits) == (100, None, None)
    assert run.cpu_time is not None
    assert (run.cpu_time.host, run.cpu_time.vmm, run.cpu_time.guest) == (1.5, None, None)


def test_a_guests_rate_of_interrupts_is_of_its_own_however_many_the_host_took() -> None:
    run = as_run("qemu", 1, window(snapshot(10, 0), snapshot(12, 300), guest_interrupts=100))
    assert (run.counts.host_interrupts, run.rates["interrupts_per_s"]) == (300, 50.0)


def test_processor_time_is_the_difference() -> None:
    spent = cpu_time(
        snapshot(0, 0, busy=1.0, vmm=0.5, guest=2.0), snapshot(1, 0, busy=2.0, vmm=0.75, guest=2.5)
    )
    assert (spent.host, spent.vmm, spent.guest) == (1.0, 0.25, 0.5)


def test_a_tick_that_the_guest_is_ahead_is_no_time_of_the_vmms() -> None:
    spent = cpu_time(
        snapshot(0, 0, busy=1.0, vmm=1.0, guest=0.1), snapshot(1, 0, busy=1.5, vmm=0.99, guest=0.31)
    )
    assert (spent.host, spent.vmm, spent.guest) == (0.5, 0.0, 0.21)


def test_what_measuring_itself_costs_is_taken_off_kvms_counts() -> None:
    idle = window(
        snapshot(0, 0, kvm={"exits": 10, "mmio_exit_user": 0, "signal_exits": 1}),
        snapshot(1, 0, kvm={"exits": 60, "mmio_exit_user": 40, "signal_exits": 1}),
    )
    load = window(
        snapshot(1, 0, kvm={"exits": 60, "mmio_exit_user": 40, "signal_exits": 1}),
        snapshot(4, 0, kvm={"exits": 1110, "mmio_exit_user": 83, "signal_exits": 3}),
    )
    found = counted(load, idle)
    assert found == ExactCounts(1000, 3 + 2, {"mmio_exit_user": 3, "signal_exits": 2})


def test_what_measuring_itself_costs_is_taken_off_the_instructions() -> None:
    idle = window(snapshot(0, 0, instructions=1000), snapshot(1, 0, instructions=1400))
    load = window(snapshot(1, 0, instructions=1400), snapshot(4, 0, instructions=9800))
    assert as_run("forward", 1, load, idle).counts.instructions == 8000
    assert as_run("native", 1, load).counts.instructions == 8400


def test_without_kvms_counts_there_are_none() -> None:
    empty = window(snapshot(0, 0), snapshot(1, 0))
    assert counted(empty, empty) is None


def test_what_midway_counted_between_its_marks_is_exact() -> None:
    def mark(label: int, exits: int, mmio: int) -> dict[str, object]:
        kvm = {"exits": exits, "mmio_exit_user": mmio, "wfi_exit_stat": 0, "halt_wakeup": 5}
        return {"label": label, "vcpus": [{"vcpu": 0, "kvm": kvm, "returns": {}}]}

    def interval(exits: int, user_exits: int) -> dict[str, int]:
        return {"exits": exits, "user_exits": user_exits}

    summary = {
        "marks": [mark(2, 100, 50), mark(3, 101, 51), mark(2, 300, 90), mark(3, 801, 91)],
        "intervals": [interval(0, 0), interval(198, 38), interval(500, 0)],
    }
    nothing, load = exact_counts(summary)
    assert nothing.exits == nothing.user_exits == 0
    assert load == ExactCounts(500, 0, {"mmio_exit_user": 0, "wfi_exit_stat": 0})
