# SPDX-License-Identifier: Apache-2.0
"""The charts: what there is something to draw for, the same bytes each time, and what they are worth."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from midway.bench.chart_style import Chart, colour_of, short, shown, tick
from midway.bench.charts import charts_of
from midway.bench.limits import tidied
from midway.bench.metrics import MODES
from midway.bench.results import Results
from unit.bench_examples import drawn, made_up
from unit.bench_strategies import results

ALL = {
    "tcp-rr",
    "latency",
    "irq-rate",
    "throughput",
    "other-loads",
    "exits-per-interrupt",
    "exits-per-operation",
    "instructions-per-interrupt",
    "instructions-per-operation",
    "vmm-cost",
    "scale",
}
SHAPES = {"tcp-rr", "latency", "irq-rate", "throughput", "other-loads"}
BOTH = {"vmm-cost", "scale"}
SHAPE, TRUE = "a shape only: emulated board", "true in emulation too"


@pytest.fixture(scope="module")
def charts() -> list[Chart]:
    return drawn()


def named(charts: Sequence[Chart], name: str) -> Chart:
    return next(chart for chart in charts if chart.name == name)


def few(modes: tuple[str, ...]) -> Results:
    whole = made_up(repetitions=2, modes=modes, workloads=1)
    return msgspec.structs.replace(whole, vmm_costs=(), scale=())


def rates_only(results: Results) -> Results:
    """Without exits and instructions: what has charts of its own, and takes its time."""
    runs = (
        msgspec.structs.replace(
            run, counts=msgspec.structs.replace(run.counts, exits=None, instructions=None)
        )
        for run in results.runs
    )
    return msgspec.structs.replace(results, runs=tuple(runs))


def test_there_is_a_chart_of_everything_that_was_measured(charts: list[Chart]) -> None:
    assert {chart.name for chart in charts} == ALL


def test_an_emulated_board_s_rates_are_marked_as_shapes_and_its_counts_as_true(charts: list[Chart]) -> None:
    marked = {chart.name for chart in charts if SHAPE in chart.svg}
    true = {chart.name for chart in charts if TRUE in chart.svg}
    assert marked == SHAPES | BOTH
    assert true == ALL - SHAPES


def test_a_real_board_s_charts_are_not_marked() -> None:
    emulated = few(("forward",))
    machine = msgspec.structs.replace(emulated.machine, emulated=False)
    charts = charts_of(msgspec.structs.replace(emulated, machine=machine))
    assert charts
    assert not any(SHAPE in chart.svg or TRUE in chart.svg for chart in charts)


def test_the_same_results_give_the_same_bytes() -> None:
    once, again = (charts_of(rates_only(few(("native", "forward")))) for _ in range(2))
    assert once == again != []
    assert once[0].png() == again[0].png()


def test_a_picture_in_pixels_is_a_png(charts: list[Chart]) -> None:
    assert charts[0].png().startswith(b"\x89PNG")


def test_what_is_written_above_a_chart_fits_into_the_picture(charts: list[Chart]) -> None:
    for chart in charts:
        chart.figure.draw_without_rendering()
        ends = [text.get_window_extent().x1 for text in chart.figure.texts]
        assert 0 < max(ends) <= chart.figure.bbox.x1, chart.name


def test_charts_are_small_files(charts: list[Chart]) -> None:
    for chart in charts:
        assert ET.fromstring(chart.svg).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
        assert len(chart.svg) < 200_000


def test_a_mode_has_one_colour_and_no_other_mode_has_it(charts: list[Chart]) -> None:
    colours = {colour_of(mode) for mode in MODES}
    assert len(colours) == len(MODES)
    for name in ("tcp-rr", "throughput", "instructions-per-interrupt"):
        assert all(colour in named(charts, name).svg for colour in colours)


def test_rates_are_in_percent_of_native(charts: list[Chart]) -> None:
    assert "in percent of native (%): native 100" in named(charts, "tcp-rr").text
    assert "bulk (% of native): native 100" in named(charts, "throughput").text


def test_throughput_has_the_patterns_in_the_talk_s_order(charts: list[Chart]) -> None:
    text = named(charts, "throughput").text
    assert text.index("default") < text.index("file") < text.index("bulk")


def test_exits_are_stacked_by_kind(charts: list[Chart]) -> None:
    svg = named(charts, "exits-per-interrupt").svg
    assert all(f">{kind}</text>" in svg for kind in ("interrupts and the rest", "wfi", "mmio kernel"))


def test_without_native_rates_are_as_they_are() -> None:
    (chart,) = [each for each in charts_of(rates_only(few(("irqfd", "forward")))) if each.name == "tcp-rr"]
    assert "native" not in chart.text
    assert "transactions/s" in chart.text


def test_without_a_guest_there_are_no_exits_to_draw() -> None:
    names = {chart.name for chart in charts_of(few(("native",)))}
    assert "exits-per-interrupt" not in names
    assert {"tcp-rr", "instructions-per-interrupt"} <= names


def test_without_runs_there_are_no_charts() -> None:
    assert charts_of(msgspec.structs.replace(few(("forward",)), runs=())) == []


def test_one_guest_with_all_devices_is_a_line_of_its_own(charts: list[Chart]) -> None:
    text = named(charts, "scale").text
    assert "forward in one guest" in text
    assert text.count("with 4") == 3 * 2 * 2


@pytest.mark.parametrize(
    ("value", "words", "on_axis"),
    [
        (0.0, "0", "0"),
        (0.0497, "0.050", "0.05"),
        (4.1, "4.10", "4.1"),
        (937.4, "937", "937"),
        (1234.0, "1,234", "1,234"),
        (12_345.0, "12.3 k", "12.3 k"),
        (20_000.0, "20.0 k", "20 k"),
        (3.21e6, "3.21 M", "3.21 M"),
        (4.5e9, "4.50 G", "4.5 G"),
    ],
)
def test_numbers_have_three_digits(value: float, words: str, on_axis: str) -> None:
    assert shown(value) == words
    assert tick(value) == on_axis


def test_names_become_short_and_plain() -> None:
    assert short("stream_default") == "stream_default"
    assert short("a\nb\u2028$é") == "a?b?$?"
    assert short("x" * 30, 10) == "xxxxxxx..."


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(results())
def test_any_results_can_be_drawn(given_results: Results) -> None:
    for chart in charts_of(tidied(given_results)):
        ET.fromstring(chart.svg)  # noqa: S314 - our own
