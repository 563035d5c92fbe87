# SPDX-License-Identifier: Apache-2.0
"""The commands `bench compare` and `bench report`."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from midway.bench.results import Results, save
from midway.cli import main
from unit.bench_examples import made_up

MODES = ("irqfd", "forward")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return saved(tmp_path / "before.json", made_up(repetitions=4, modes=MODES, workloads=3))


@pytest.fixture
def slower(tmp_path: Path) -> Path:
    return saved(
        tmp_path / "slower.json", made_up(repetitions=4, modes=MODES, workloads=3, seed=2, slower=1.3)
    )


def saved(path: Path, results: Results) -> Path:
    save(results, path)
    return path


def test_two_files_are_compared_counts_and_rates_apart(
    before: Path, slower: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", str(before), str(slower)]) == 0
    counts, rates = capsys.readouterr().out.split("rates and times, which are shapes only: emulated")
    assert "exits per interrupt" in counts
    assert "transactions" not in counts
    assert "transactions per s" in rates
    assert "exits" not in rates
    assert "real, worse" in counts
    assert "cannot tell with 4 runs" in counts


def test_the_comparison_is_json_if_wanted(
    before: Path, slower: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", "--json", str(before), str(slower)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"overall", "single", "costs"}
    (exits,) = [
        each for each in found["overall"] if (each["variant"], each["metric"]) == ("forward", "exits_per_irq")
    ]
    assert exits["ratio"] == pytest.approx(1.3, rel=0.05)
    assert exits["verdict"] == "real, worse"
    assert exits["p_corrected"] < 0.05


def test_a_file_compared_with_itself_shows_no_real_difference(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", str(before), str(before), "--fail-if-worse", "0"]) == 0
    out = capsys.readouterr().out
    assert "real" not in out
    assert "not shown" in out


def test_what_is_really_worse_by_more_fails_if_it_was_asked(
    before: Path, slower: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", str(before), str(slower), "--fail-if-worse", "10"]) == 1
    said = capsys.readouterr().err
    assert "all, forward: exits" in said
    assert "% worse" in said
    assert "which so few runs cannot tell" in said


def test_what_is_worse_by_less_or_better_does_not_fail(before: Path, slower: Path) -> None:
    assert main(["bench", "compare", str(before), str(slower), "--fail-if-worse", "60"]) == 0
    assert main(["bench", "compare", str(slower), str(before), "--fail-if-worse", "10"]) == 0


def without(results: Results, *, mode: str, workload: str | None = None) -> Results:
    kept = [run for run in results.runs if run.mode != mode or (workload and run.workload != workload)]
    return msgspec.structs.replace(results, runs=tuple(kept))


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Results, Path]:
    """As little as there can be of everything, and its file."""
    results = made_up(repetitions=1, modes=MODES, workloads=2)
    return results, saved(tmp_path / "whole.json", results)


def test_what_only_one_of_them_has_is_said_and_what_is_missing_fails_if_it_was_asked(
    whole: tuple[Results, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, path = whole
    scale = tuple(run for run in results.scale if run.guests < 4)
    costs = tuple(cost for cost in results.vmm_costs if cost.vmm != "kvmtool")
    for what, less in (
        ("forward", without(results, mode="forward")),
        ("tcp_rr, irqfd", without(results, mode="irqfd", workload="tcp_rr")),
        ("4 guests with 1 device", msgspec.structs.replace(results, scale=scale)),
        ("kvmtool", msgspec.structs.replace(results, vmm_costs=costs)),
    ):
        other = saved(tmp_path / "other.json", less)
        assert main(["bench", "compare", str(path), str(other), "--fail-if-worse", "10"]) == 1
        assert f"midway: only in A: {what}\n" in capsys.readouterr().err
        assert main(["bench", "compare", str(other), str(path), "--fail-if-worse", "10"]) == 0
        assert f"midway: only in B: {what}\n" in capsys.readouterr().err


def test_a_metric_that_is_missing_is_named_and_is_no_failure_if_none_was_asked(
    whole: tuple[Results, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, path = whole
    runs = [
        msgspec.structs.replace(run, counts=msgspec.structs.replace(run.counts, instructions=None))
        for run in results.runs
    ]
    other = saved(tmp_path / "other.json", msgspec.structs.replace(results, runs=tuple(runs)))
    assert main(["bench", "compare", str(path), str(other)]) == 0
    assert "only in A: tcp_rr, forward: instructions per operation\n" in capsys.readouterr().err


def test_the_notes_of_both_are_said(
    whole: tuple[Results, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, path = whole
    failed = msgspec.structs.replace(results, notes=("failed: \x1b",))
    assert main(["bench", "compare", str(path), str(saved(tmp_path / "other.json", failed))]) == 0
    said = capsys.readouterr().err
    assert "midway: A notes: These figures are made up.\n" in said
    assert "midway: B notes: failed: ?\n" in said


def test_what_else_is_not_the_same_is_said(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = made_up(repetitions=1, modes=MODES, workloads=1)
    machine = msgspec.structs.replace(whole.machine, name="other\x1b", versions={"kernel": "6.2"})
    other = saved(tmp_path / "other.json", msgspec.structs.replace(whole, machine=machine))
    assert main(["bench", "compare", str(before), str(other)]) == 0
    said = capsys.readouterr().err
    assert "not the same machine: versal (made up) and other?" in said
    assert "not the same version of kernel: 6.1 and 6.2" in said
    assert "not the same version of qemu: 7.2 and none" in said


def test_files_with_nothing_in_common_are_no_error(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = msgspec.structs.replace(made_up(repetitions=1), runs=(), vmm_costs=(), scale=())
    other = saved(tmp_path / "other.json", empty)
    assert main(["bench", "compare", str(before), str(other)]) == 0
    assert "nothing in common" in capsys.readouterr().out


@pytest.mark.parametrize("limit", ["-1", "nan", "inf"])
def test_a_limit_that_is_no_percentage_is_refused(
    before: Path, limit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", str(before), str(before), f"--fail-if-worse={limit}"]) == 2
    assert "percentage" in capsys.readouterr().err


def test_a_file_that_is_no_results_is_a_usage_error(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep.json").write_text('{"x":' + "[" * 1_000_000)
    assert main(["bench", "compare", str(before), str(tmp_path / "deep.json")]) == 2
    assert main(["bench", "report", str(tmp_path / "absent.json"), str(tmp_path / "out")]) == 2
    assert main(["bench", "report", "/dev/zero", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("midway: reading") == 3


def test_a_report_is_made_of_a_results_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = msgspec.structs.replace(made_up(repetitions=1), runs=(), vmm_costs=())
    path = saved(tmp_path / "some.json", results)
    assert main(["bench", "report", str(path), str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/out/report.html\n"
    charts = tmp_path / "out" / "charts"
    assert (charts / "bench-scale.svg").read_text().startswith("<?xml")
    assert (charts / "bench-scale.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_s_help_needs_none_of_the_libraries() -> None:
    program = (
        "import sys; from midway.cli import main\n"
        "try: main(['bench', 'compare', '--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'scipy', 'numpy', 'matplotlib', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
