# SPDX-License-Identifier: Apache-2.0
"""A benchmark in which one mode fails, and one in which what one tool says cannot be read."""

from pathlib import Path

import pytest

from midway.bench import experiment
from midway.bench.counters import HostSnapshot
from midway.bench.experiment import Experiment
from midway.bench.outcome import Outcome, unreadable
from midway.bench.subject import Subject
from midway.bench.window import Window
from midway.bench.workloads import Kind, Target, Workload
from midway.errors import HostError, MidwayError


def parsed(output: str) -> Outcome:
    if output == "nonsense":
        raise unreadable("a tool", output)
    return Outcome(1, {})


def workload(name: str) -> Workload:
    return Workload(name, Kind.DMA, "", "copies", None, lambda *_: (), parsed)


def window(name: str, output: str) -> Window:
    before, after = (HostSnapshot(seconds, 0, 0.0, None, None) for seconds in (1.0, 2.0))
    return Window(workload(name), 1, output, before, after)


EXPERIMENT = Experiment(
    subject=Subject(name="a.dma", kind=Kind.DMA, nodes=(), interrupts=(), modules=()),
    workloads=(),
    modes=("native", "qemu"),
    vmms={},
    repetitions=2,
    target=Target(seconds=1),
    kernel=Path("/boot/Image"),
)


@pytest.fixture(autouse=True)
def made_up_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU fails; of two loads, the first one's output is nonsense."""

    def measured(_: Experiment, mode: str, *__: object) -> list[object]:
        if mode == "qemu":
            raise HostError(f"measuring in mode {mode}")
        return [experiment._Measured(window(*load)) for load in (("first", "nonsense"), ("second", ""))]

    monkeypatch.setattr(Experiment, "_measured_in", measured)


def test_all_else_is_measured_and_each_failure_is_told() -> None:
    failures: list[MidwayError] = []
    runs = list(EXPERIMENT.runs(failed=failures.append))
    assert [(run.workload, run.repetition, run.order) for run in runs] == [("second", 1, 0), ("second", 2, 1)]
    told = [str(failure).partition(":")[0] for failure in failures]
    assert told == ["measuring in mode native, first", "measuring in mode qemu"] * 2


def test_what_goes_wrong_is_raised_where_nobody_is_told() -> None:
    with pytest.raises(HostError, match="measuring in mode native, first: reading what a tool measured"):
        list(EXPERIMENT.runs())
