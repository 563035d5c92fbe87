# SPDX-License-Identifier: Apache-2.0
"""A guest that is measured: the talk on its console, played by a shell script in place of a VMM."""

import base64
import gzip
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from midway.bench.counters import HostCounters, HostSnapshot
from midway.bench.experiment import Experiment
from midway.bench.guest_mode import GuestSession
from midway.bench.guest_process import GuestProcess
from midway.bench.results import Run
from midway.bench.subject import Subject
from midway.bench.vmm import ExactCounts, GuestSetup, RunningGuest
from midway.bench.workloads import Kind, Target, named
from midway.errors import GuestError, HostError, MidwayError
from unit.test_bench_tools import PING_PONG

# Says and does what onboard/guest-init.sh does.
GUEST = """\
echo "[ 1.0] a message of the kernel's"
printf 'half a line midway-bench: ready=6.1.0\\r\\n'
count=0
while read -r order load; do
    case $order in
        count) echo "midway-bench: interrupts=$count" ;;
        run) count=$((count + {interrupts})); echo "midway-bench: done={status}" ;;
        tell) echo "midway-bench: output=$(gzip -c "$1" | base64 -w 0)" ;;
        *) break ;;
    esac
done
"""


def guest(interrupts: int = 1, status: str = "0") -> str:
    """One whose loads all take so many interrupts and end with this status."""
    return GUEST.format(interrupts=interrupts, status=status)


@dataclass(frozen=True)
class ScriptedVmm:
    """`script` gets the file with the tool's output; `counts` are what it says it counted."""

    mode: str
    script: str
    output: Path
    counts: tuple[ExactCounts, ...] | None = None

    @contextmanager
    def start(self, setup: GuestSetup) -> Iterator[RunningGuest]:
        assert setup.initrd.exists()
        with GuestProcess(["sh", "-c", self.script, "guest", str(self.output)]) as process:
            yield RunningGuest(process, None if self.counts is None else lambda: self.counts or ())


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "output"
    path.write_text(PING_PONG)
    return path


@pytest.fixture(autouse=True)
def _no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midway.bench.experiment.guest_image", lambda *_: b"an image")


def runs(*vmms: ScriptedVmm, workloads: tuple[str, ...] = ("tcp_rr",), repetitions: int = 1) -> list[Run]:
    return list(
        Experiment(
            subject=Subject("ff0d0000.ethernet", Kind.NETWORK, ("eth1",), (90,), ("macb",)),
            workloads=named(workloads),
            modes=tuple(vmm.mode for vmm in vmms),
            vmms={vmm.mode: vmm for vmm in vmms},
            repetitions=repetitions,
            target=Target(seconds=1, peer="192.168.77.2"),
            kernel=Path("/boot/vmlinuz"),
        ).runs()
    )


def test_a_guests_run_has_what_its_tool_and_its_own_count_said(output: Path) -> None:
    (run,) = runs(ScriptedVmm("irqfd", guest(interrupts=1234), output))
    assert (run.workload, run.mode, run.counts.operations) == ("tcp_rr", "irqfd", 20410)
    assert run.counts.guest_interrupts == 1234
    assert run.rates["latency_p50_us"] == 13.790


def test_what_the_vmm_counted_goes_to_the_load_it_counted_it_for(output: Path) -> None:
    exact = tuple(ExactCounts(exits, 0) for exits in (7, 100, 200))  # the first is of no load
    vmm = ScriptedVmm("forward", guest(), output, exact)
    first, second = runs(vmm, workloads=("tcp_rr", "irq_rate"))
    assert (first.counts.exits, second.counts.exits) == (100, 200)


def test_a_vmm_that_counted_other_loads_than_ran_is_an_error(output: Path) -> None:
    vmm = ScriptedVmm("forward", guest(), output, (ExactCounts(7, 0),))
    with pytest.raises(HostError, match="it marked 1 loads where 2 ran"):
        runs(vmm)


def test_runs_are_numbered_in_the_order_in_which_they_were_made(output: Path) -> None:
    script = guest()
    made = runs(ScriptedVmm("irqfd", script, output), ScriptedVmm("forward", script, output), repetitions=2)
    assert [(run.order, run.repetition, run.mode) for run in made] == [
        (0, 1, "irqfd"),
        (1, 1, "forward"),
        (2, 2, "irqfd"),
        (3, 2, "forward"),
    ]


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo 'midway-bench: failed=no answer from 192.168.77.2'", "no answer from 192.168.77.2"),
        ("echo 'no memory' >&2; exit 1", "its VMM has ended; the VMM said last: no memory"),
        ("echo 'Kernel panic'; exit 4", "its console said last: Kernel panic"),
        ("echo 'midway-bench: done=0 0'", "it says done=0 0"),
    ],
)
def test_a_guest_that_does_not_come_up_is_an_error_with_its_last_words(
    script: str, says: str, output: Path
) -> None:
    with pytest.raises(HostError, match=f"measuring in mode irqfd, starting the guest: .*{says}"):
        runs(ScriptedVmm("irqfd", script, output))


@pytest.mark.parametrize("status", ["1", "nonsense", ""])
def test_a_load_that_fails_is_an_error_with_its_name_and_the_tools_last_words(
    status: str, output: Path
) -> None:
    output.write_text("sockperf: ERROR: Failed to connect\n")
    script = guest(status=f"$([ $load = nothing ] && echo 0 || echo {status})")
    with pytest.raises(HostError, match=r"measuring in mode irqfd, tcp_rr: .*Failed to connect"):
        runs(ScriptedVmm("irqfd", script, output))


def test_a_guest_whose_count_is_no_number_is_an_error(output: Path) -> None:
    script = guest().replace("interrupts=$count", "interrupts=many")
    with pytest.raises(HostError, match="counting the guest's interrupts: it says 'many'"):
        runs(ScriptedVmm("irqfd", script, output))


@dataclass
class HostThatCounts:
    """Each interrupt of the guest's is one of the host's."""

    console: "ScriptedConsole"

    def snapshot(self, _: int | None = None) -> HostSnapshot:
        return HostSnapshot(seconds=0.0, interrupts=self.console.interrupts, busy=0.0, vmm=None, guest=None)


@dataclass
class ScriptedConsole:
    """A guest to which `stray` interrupts come just before and just behind its answers to counts, in turn."""

    stray: list[int]
    interrupts: int = 0
    pid: int = 1
    _said: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)

    def order(self, line: str) -> None:
        self.orders.append(line.partition(" ")[0])
        if line == "count":
            self._stray()
            self._said.append(str(self.interrupts))
            self._stray()
        elif line.startswith("run"):
            self.interrupts += 0 if line == "run nothing" else 100
            self._said.append("0")
        else:
            self._said.append(base64.b64encode(gzip.compress(PING_PONG.encode())).decode())

    def _stray(self) -> None:
        self.interrupts += self.stray.pop(0) if self.stray else 0

    def expect(self, _name: str, _timeout: float) -> str:
        return self._said.pop(0)


@pytest.mark.parametrize("stray", [[], [0, 1], [0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0, 0, 0, 1], [0, 3, 2, 1]])
def test_host_and_guest_count_the_same_interrupts_whenever_others_come(stray: list[int]) -> None:
    console = ScriptedConsole(list(stray))
    session = GuestSession(
        RunningGuest(cast("GuestProcess", console)), cast("HostCounters", HostThatCounts(console))
    )
    window = session.measure(named(["tcp_rr"])[0], Target(seconds=1))
    assert window.guest_interrupts == window.after.interrupts - window.before.interrupts >= 100


def test_what_a_load_is_measured_with_is_what_nothing_is_measured_with() -> None:
    console = ScriptedConsole([])
    session = GuestSession(
        RunningGuest(cast("GuestProcess", console)), cast("HostCounters", HostThatCounts(console))
    )
    (load,) = named(["tcp_rr"])
    session.nothing(load, Target(seconds=1))
    idle = console.orders[console.orders.index("run") :]
    console.orders.clear()
    session.measure(load, Target(seconds=1))
    assert console.orders[console.orders.index("run") :] == idle


def test_a_line_that_is_never_quiet_is_counted_as_it_is() -> None:
    console = ScriptedConsole([1] * 1000)
    session = GuestSession(
        RunningGuest(cast("GuestProcess", console)), cast("HostCounters", HostThatCounts(console))
    )
    window = session.measure(named(["tcp_rr"])[0], Target(seconds=1))
    assert window.guest_interrupts is not None
    assert window.guest_interrupts > 100


def test_what_was_measured_before_a_failure_is_there(output: Path) -> None:
    good = ScriptedVmm("irqfd", guest(), output)
    bad = ScriptedVmm("forward", "exit 1", output)
    experiment = Experiment(
        subject=Subject("ff0d0000.ethernet", Kind.NETWORK, ("eth1",), (90,), ("macb",)),
        workloads=named(["tcp_rr"]),
        modes=("irqfd", "forward"),
        vmms={"irqfd": good, "forward": bad},
        repetitions=1,
        target=Target(seconds=1),
        kernel=Path("/boot/vmlinuz"),
    )
    kept: list[Run] = []
    with pytest.raises(MidwayError):
        kept.extend(experiment.runs())
    assert [run.mode for run in kept] == ["irqfd"]


def test_a_vmm_is_gone_after_its_block() -> None:
    with GuestProcess(["sh", "-c", "echo midway-bench: ready=1; exec sleep 100"]) as process:
        process.expect("ready", 10)
        assert Path(f"/proc/{process.pid}").exists()
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_silent_guest_is_given_up() -> None:
    with (
        GuestProcess(["sh", "-c", "exec sleep 100"]) as process,
        pytest.raises(GuestError, match="waiting for the guest to say ready: it says nothing"),
    ):
        process.expect("ready", 0.01)


def test_a_vmm_that_is_not_installed_is_an_error() -> None:
    with (
        GuestProcess(["/nowhere/qemu"]) as process,
        pytest.raises(GuestError, match=r"its VMM has ended; the VMM said last: .*/nowhere/qemu"),
    ):
        process.expect("ready", 10)


def test_a_vmm_does_not_outlive_a_benchmark_that_is_killed() -> None:
    program = (
        "from midway.bench.guest_process import GuestProcess\n"
        "with GuestProcess(['sh', '-c', 'echo midway-bench: ready=$$; exec sleep 100']) as process:\n"
        "    print(process.expect('ready', 10), flush=True)\n"
        "    process.expect('never', 100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout is not None
        vmm = os.pidfd_open(int(bench.stdout.readline()))
        try:
            bench.kill()
            ended, _, _ = select.select([vmm], [], [], 30)
        finally:
            os.close(vmm)
    assert ended
