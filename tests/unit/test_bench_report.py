# SPDX-License-Identifier: Apache-2.0
"""The report's page: whole in itself, well formed, and harmless whatever the results say."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from midway.bench import report as report_module
from midway.bench.chart_style import Chart
from midway.bench.charts import charts_of
from midway.bench.limits import tidied
from midway.bench.report import CHARTS, report_html, write_report
from midway.bench.results import Results, load
from midway.errors import HostError, MidwayError, UsageError
from unit.bench_examples import drawn, made_up
from unit.bench_strategies import results

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}\x00\x1b[2J"
_VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """Its tags, their attributes and its text; `open` must be empty at the end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("report") / "new" / "one"
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(report_module, "charts_of", lambda _: drawn())
        patches.setattr(
            Chart, "png", lambda _: b"pixels"
        )  # which take seconds; the command's test has real ones
        write_report(made_up(repetitions=3), directory)
    return directory


@pytest.fixture(scope="module")
def html(written: Path) -> str:
    return (written / "report.html").read_text()


def hostile() -> Results:
    whole = made_up(repetitions=1, workloads=1)
    runs = tuple(
        msgspec.structs.replace(
            run, workload=HOSTILE, mode=HOSTILE if run.mode == "qemu" else run.mode, rates={HOSTILE: 1.0}
        )
        for run in whole.runs
    )
    machine = msgspec.structs.replace(whole.machine, name=HOSTILE, versions={HOSTILE: HOSTILE})
    scale = tuple(msgspec.structs.replace(run, mode=HOSTILE) for run in whole.scale)
    costs = tuple(msgspec.structs.replace(cost, vmm=HOSTILE) for cost in whole.vmm_costs)
    return Results(
        command=HOSTILE,
        begun=HOSTILE,
        took_s=1.0,
        device=HOSTILE,
        machine=machine,
        runs=runs,
        vmm_costs=costs,
        scale=scale,
        notes=(HOSTILE,),
    )


def test_the_directory_has_the_page_the_results_and_every_chart_twice(written: Path) -> None:
    names = {path.name for path in (written / CHARTS).iterdir()}
    stems = {Path(name).stem for name in names}
    assert names == {f"{stem}.{kind}" for stem in stems for kind in ("svg", "png")}
    assert {f"bench-{chart.name}" for chart in drawn()} == stems
    assert load(written / "results.json") == made_up(repetitions=3)
    assert (written / "report.html").exists()


def test_charts_of_an_earlier_report_do_not_stay_beside_it(tmp_path: Path) -> None:
    results = made_up(repetitions=1)
    write_report(results, tmp_path)
    write_report(msgspec.structs.replace(results, scale=(), vmm_costs=()), tmp_path)
    names = {path.name for path in (tmp_path / CHARTS).iterdir()}
    assert "bench-tcp-rr.svg" in names
    assert not names & {"bench-scale.svg", "bench-scale.png", "bench-vmm-cost.svg"}


def test_the_page_shows_every_chart(written: Path, html: str) -> None:
    charts = list((written / CHARTS).glob("*.svg"))
    assert Page(html).tags.count("svg") == len(charts) == 11
    assert all(f'id="{chart.stem.removeprefix("bench-")}-figure_1"' in html for chart in charts)


def test_the_page_s_tags_are_balanced(html: str) -> None:
    page = Page(html)
    assert page.open == []
    assert {"main", "svg", "table", "details"} <= set(page.tags)


def test_the_page_needs_nothing_else_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(page.tags)
    assert not re.search(r"https?:|//[a-z]|@import|javascript:", html)
    targets = [value for name, value in page.attributes if name in ("href", "src", "xlink:href", "action")]
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert "default-src 'none'; style-src 'unsafe-inline'" in [value for _, value in page.attributes]


def test_every_name_within_the_page_is_one_element_s(html: str) -> None:
    names = [value for name, value in Page(html).attributes if name == "id"]
    assert len(names) == len(set(names))
    targets = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html))
    assert {first or second for first, second in targets} <= set(names)


def test_charts_take_the_page_s_colours(html: str) -> None:
    svgs = "".join(re.findall(r"<svg.*?</svg>", html, re.DOTALL))
    assert "var(--ink)" in svgs
    assert "#ffffff" not in svgs
    assert "prefers-color-scheme: dark" in html


def test_no_table_has_both_counts_and_rates(html: str) -> None:
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    counted = [
        table for table in tables if re.search(r"exits per|instructions per|interrupts per op|MiB", table)
    ]
    timed = [
        table for table in tables if re.search(r"per s<|% of native|µs|, s<|interrupts/s|work per s", table)
    ]
    assert counted
    assert timed
    assert not set(counted) & set(timed)


def test_the_page_says_where_when_and_how(html: str) -> None:
    text = Page(html).text
    given_results = made_up(repetitions=3)
    for said in (
        given_results.command,
        given_results.begun,
        given_results.device,
        given_results.machine.name,
        *given_results.machine.versions.values(),
        *given_results.notes,
        "25 min 3 s",
    ):
        assert said in text


def test_the_summary_says_what_is_real_and_what_cannot_be_told(html: str) -> None:
    text = re.sub(r"\s+", " ", Page(html).text)
    assert "Counts of forward, over all workloads together. Exits per interrupt: 4" in text
    assert "282 cannot be told with 3 runs (8 of each would do)" in text
    assert "cannot tell with 3 runs" in text
    assert "This board is emulated." in text


def test_an_emulated_board_s_warning_is_not_on_a_real_one_s_page() -> None:
    whole = made_up(repetitions=1, workloads=1)
    real = msgspec.structs.replace(whole, machine=msgspec.structs.replace(whole.machine, emulated=False))
    assert "emulated" not in report_html(real, [])


def test_hostile_names_are_only_text() -> None:
    tidy = tidied(hostile())
    page_text = report_html(tidy, charts_of(tidy))
    page = Page(page_text)
    assert page.open == []
    assert not {"script", "img"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    assert "{{ 7 * 7 }}" in page.text
    assert not set("\x00\x1b") & set(page_text)


@pytest.mark.parametrize(
    ("modes", "said"),
    [
        (("native",), "Only native ran"),
        (("forward",), "Only forward ran"),
        (("irqfd", "qemu"), "Counts of irqfd"),
        (("native", "forward"), "Counts of forward"),
    ],
)
def test_modes_may_be_missing(modes: tuple[str, ...], said: str) -> None:
    whole = msgspec.structs.replace(made_up(repetitions=4, modes=modes, workloads=1), vmm_costs=())
    assert said in report_html(whole, [])


def test_there_may_be_no_runs_at_all() -> None:
    empty = msgspec.structs.replace(made_up(repetitions=1), runs=(), vmm_costs=(), scale=())
    assert "No runs." in report_html(empty, charts_of(empty))


def test_results_that_no_page_can_show_write_nothing(tmp_path: Path) -> None:
    whole = made_up(repetitions=1)
    with pytest.raises(UsageError, match="notes"):
        write_report(msgspec.structs.replace(whole, notes=("",) * 201), tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_module, "charts_of", lambda _: [])
    (tmp_path / "file").write_text("")
    with pytest.raises(MidwayError, match=r"writing to .*file/charts: Not a directory"):
        write_report(made_up(repetitions=1, workloads=1), tmp_path / "file")


@pytest.mark.parametrize("library", ["scipy", "matplotlib", "jinja2"])
def test_a_library_that_is_not_installed_is_named_with_the_remedy(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, name, None)
    if library != "matplotlib":
        monkeypatch.setattr(report_module, "charts_of", lambda _: [])
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(HostError, match=rf"{library} is not installed \(pip install 'midway\[bench\]'\)"):
        write_report(made_up(repetitions=2, modes=("native", "forward"), workloads=1), tmp_path / "report")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(results())
def test_any_results_have_a_page(given_results: Results) -> None:
    assert Page(report_html(tidied(given_results), [])).open == []
