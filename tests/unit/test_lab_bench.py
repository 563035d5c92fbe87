# SPDX-License-Identifier: Apache-2.0
"""What `midway lab bench` makes of several boards' results, and of a part that fails."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest

from midway.bench.questions import compare_modes
from midway.bench.results import Counts, Machine, Results, Run
from midway.bench.statistics import runs_needed
from midway.errors import BoardLostError, LabError
from midway.lab import bench
from midway.lab.bench import FULL, QUICK, Gathered, gather
from midway.lab.bench_results import merged
from midway.lab.bench_run import Part, bench_on
from midway.lab.frames import Frame, Kind
from midway.lab.guest import GuestReport
from midway.lab.onboard.fleet import proportional_set_size
from midway.lab.running import RunningBoard
from midway.lab.scale import scale_run
from unit.bench_examples import made_up

BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def run(workload: str, order: int) -> Run:
    return Run(
        workload=workload,
        mode="irqfd",
        repetition=1,
        order=order,
        seconds=1.0,
        rates={},
        counts=Counts(operations=1, host_interrupts=1),
    )


def part(*runs: Run, name: str = "a board", **versions: str) -> Results:
    machine = Machine(name=name, emulated=True, processors=2, memory_mb=3000, versions=versions)
    return Results(
        command="midway bench run",
        begun="2026-01-01T00:00:00",
        took_s=1,
        device="x",
        machine=machine,
        runs=runs,
    )


def together(gathered: Gathered) -> Results:
    return merged(gathered, command="midway lab bench", begun=BEGUN, took=60.0, emulator="QEMU 7")


def report(*seconds: float, status: int = 0) -> GuestReport:
    """A guest whose rounds took so long, each with ten interrupts and twenty exits, half of them WFI."""
    marks: list[dict[str, Any]] = [{"label": 1, "vcpus": []}]
    intervals: list[dict[str, Any]] = []
    for at, took in enumerate(seconds):
        before, after = ({"wfi_exit_stat": 10 * number} for number in (at, at + 1))
        intervals += [
            {"from": marks[-1]["label"], "to": 2, "seconds": 9.0},
            {"from": 2, "to": 3, "seconds": took, "exits": 20, "user_exits": 1, "interrupts": 10},
        ]
        marks += [
            {"label": 2, "vcpus": [{"kvm": before}]},
            {"label": 3, "vcpus": [{"kvm": after}]},
        ]
    said = {f"{name}_{at + 1}": "10" for at in range(len(seconds)) for name in ("copies", "interrupts")}
    return GuestReport(status, said, {"marks": marks, "intervals": intervals}, "", "it broke")


def test_runs_of_all_parts_are_numbered_one_after_the_other() -> None:
    gathered = Gathered(parts=(part(run("tcp_rr", 0), run("tcp_rr", 1)), part(run("dma", 0))))
    found = together(gathered)
    assert [(each.workload, each.order) for each in found.runs] == [("tcp_rr", 0), ("tcp_rr", 1), ("dma", 2)]


def test_the_machine_is_the_first_parts_with_everybodys_versions() -> None:
    parts = (part(name="first", iperf3="3.12"), part(name="second", fio="3.33"))
    machine = together(Gathered(parts=parts)).machine
    assert machine.name == "first"
    assert machine.versions == {"iperf3": "3.12", "fio": "3.33", "emulator": "QEMU 7"}


def test_what_failed_is_noted_in_the_results() -> None:
    assert together(Gathered(parts=(part(),), failures=("a load",))).notes == ("failed: a load",)


def test_what_a_part_noted_itself_is_noted_once() -> None:
    noted = msgspec.structs.replace(part(), notes=("mode qemu failed: no huge page",))
    assert together(Gathered(parts=(noted, noted))).notes == ("mode qemu failed: no huge page",)


def test_without_any_part_there_are_no_results_but_an_error() -> None:
    with pytest.raises(LabError, match="the board is lost"):
        together(Gathered(failures=("the board is lost",)))


@pytest.mark.parametrize("error", [BoardLostError("the board is lost"), TimeoutError("no answer")])
def test_a_part_that_fails_leaves_those_before_and_behind_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> Gathered:
        raise error

    def whole(_: object, gathered: Gathered, __: object) -> Gathered:
        return gathered.with_part(Part(part(), None), "a note")

    for name, stand_in in {"_network": whole, "_counted": lost, "_scale": whole, "_costs": lost}.items():
        monkeypatch.setattr(bench, name, stand_in)
    seen: list[int] = []
    gathered = gather(QUICK, lambda so_far: seen.append(len(so_far.parts)))
    assert seen == [1, 1, 2, 2]
    assert [failure.partition(":")[0] for failure in gathered.failures] == [
        "instructions",
        "what a VMM costs",
    ]


def test_a_full_run_has_as_many_runs_as_it_takes_to_tell_instructions_apart() -> None:
    network = made_up(repetitions=FULL.repetitions, workloads=2)
    counted = made_up(repetitions=FULL.counted_repetitions)
    runs = [
        *(
            msgspec.structs.replace(run, counts=msgspec.structs.replace(run.counts, instructions=None))
            for run in network.runs
        ),
        *(run for run in counted.runs if run.workload == "dma"),
    ]
    overall = compare_modes(msgspec.structs.replace(network, runs=tuple(runs))).overall
    assert [each.n for each in overall if each.metric.name == "instructions_per_irq"] == [
        FULL.counted_repetitions
    ] * 4
    assert runs_needed(len(overall)) == FULL.counted_repetitions


def test_a_part_that_ends_early_keeps_what_it_measured() -> None:
    gathered = Gathered().with_part(Part(part(run("tcp_rr", 0)), "the guest is gone"))
    assert len(gathered.parts) == 1
    assert gathered.failures == ("the guest is gone",)


class Board:
    """Runs one benchmark, which leaves `results`.  One that `ends_by` a signal takes too long."""

    def __init__(self, results: bytes | None, ends_by: int | None) -> None:
        self.results = results
        self.ends_by = ends_by
        self.status: int | None = None

    def run(self, *_: object, **__: object) -> None:
        pass

    def start(self, _: object) -> "Board":
        return self

    def frames(self, _: float) -> Iterator[Frame]:
        yield Frame(Kind.ERROR, 1, b"midway: tcp_rr in mode irqfd\n")
        if self.ends_by is not None:
            raise TimeoutError
        self.status = 0

    def signal(self, number: int) -> None:
        if number == self.ends_by:
            self.status = -number

    def wait(self, _: float) -> None:
        if self.status is None:
            raise TimeoutError

    def get(self, _: str) -> bytes:
        if self.results is None:
            raise LabError("cannot read")
        return self.results


def measured_on(board: Board) -> Part:
    return bench_on(cast(RunningBoard, board), [], timeout=1)


@pytest.mark.parametrize("ends_by", [signal.SIGTERM, signal.SIGKILL])
def test_a_benchmark_that_takes_too_long_is_ended_and_keeps_what_it_measured(ends_by: int) -> None:
    kept = part(run("tcp_rr", 0))
    found = measured_on(Board(msgspec.json.encode(kept), ends_by))
    assert found == Part(kept, "midway bench run: it was ended after 1 s")


def test_results_that_were_cut_short_are_an_error_of_their_part() -> None:
    with pytest.raises(LabError, match="reading the results of midway bench run: Input data was truncated"):
        measured_on(Board(msgspec.json.encode(part())[:-1], None))


def test_a_benchmark_that_failed_before_it_measured_says_how() -> None:
    found = measured_on(Board(None, signal.SIGTERM))
    assert found == Part(None, "midway bench run: it was ended after 1 s")


def test_guests_at_once_are_summed_up_and_take_as_long_as_the_slowest() -> None:
    found = scale_run("forward", 1, 16_000_000, [(report(1.0, 4.0), 2), (report(2.0), 1)])
    assert (found.guests, found.seconds, found.interrupts_per_s) == (2, 4.0, 5.0)
    assert (found.counts.operations, found.counts.host_interrupts, found.counts.guest_interrupts) == (20,) * 3
    assert (found.counts.exits, found.counts.user_exits) == (40, 2)
    assert found.counts.exits_by_kind["wfi_exit_stat"] == 20


def test_a_guest_that_ended_before_its_round_is_an_error_with_its_words() -> None:
    with pytest.raises(LabError, match="it broke"):
        scale_run("forward", 1, 0, [(report(1.0, status=1), 2)])


def test_memory_is_the_proportional_set_size() -> None:
    assert (
        proportional_set_size("55a0-7fff ---p [rollup]\nRss:   20 kB\nPss:   12 kB\nPss_Dirty: 3 kB\n")
        == 12288
    )
