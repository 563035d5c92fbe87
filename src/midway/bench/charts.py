# SPDX-License-Identifier: Apache-2.0
"""The charts of a report: rates and latencies, what an interrupt costs, what a VMM costs, how it scales."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from midway.bench.chart_style import Chart, Head, drawing, short, worth_of
from midway.bench.cost_charts import scale_chart, vmm_chart
from midway.bench.metrics import INTERRUPTS, MODES, Key, headline, in_order, metric_named, run_series
from midway.bench.panels import Bar, Panel, bar_chart
from midway.bench.results import Results, Run
from midway.bench.statistics import relative, summary

__all__ = ["charts_of"]

_PATTERNS = ("default", "file", "bulk")
_KINDS = 4  # in a bar; what is left is one more
_NOT_KINDS = ("exits", "signal_exits")  # the sum, and what is no exit of its own
_REST = "interrupts and the rest"


def charts_of(results: Results) -> list[Chart]:
    """Those that there is something to draw for.  `results` are tidied.

    Raises HostError when matplotlib is not installed.
    """
    makers: tuple[Callable[[_Charts], Chart | None], ...] = (
        _Charts.round_trips,
        _Charts.latency,
        _Charts.interrupt_rate,
        _Charts.throughput,
        _Charts.other_rates,
        _Charts.exits,
        _Charts.exits_per_operation,
        _Charts.instructions,
        _Charts.instructions_per_operation,
    )
    with drawing():
        charts = _Charts(results)
        made = [*(make(charts) for make in makers), vmm_chart(results), scale_chart(results)]
    return [chart for chart in made if chart is not None]


class _Charts:
    def __init__(self, results: Results) -> None:
        self._results = results
        self._series = run_series(results)
        self._modes = in_order((run.mode for run in results.runs), MODES)
        self._workloads = list(dict.fromkeys(run.workload for run in results.runs))

    def round_trips(self) -> Chart | None:
        rate = "transactions_per_s"
        return self._rates("tcp-rr", "Round trips (TCP_RR)", self._with(rate, ("tcp_rr",)), rate)

    def interrupt_rate(self) -> Chart | None:
        named = [workload for workload in self._workloads if workload.startswith("irq")]
        return self._rates(
            "irq-rate",
            "Interrupts per second",
            self._with(INTERRUPTS, named),
            INTERRUPTS,
            "No measure of work: a busy driver takes fewer.",
        )

    def latency(self) -> Chart | None:
        names = dict.fromkeys(
            name for run in self._results.runs if run.workload == "tcp_rr" for name in run.rates
        )
        wanted = [name for name in names if name.startswith("latency") and metric_named(name).unit]
        panels = self._panels(
            (short(metric_named(name).label), metric_named(name).unit, self._bars("tcp_rr", name))
            for name in sorted(wanted)[:3]
        )
        head = Head("Latency of a round trip", _spread(panels, "TCP_RR; shorter is better."))
        return bar_chart("latency", head, panels, 3) if panels else None

    def throughput(self) -> Chart | None:
        streams = sorted(
            (workload for workload in self._workloads if workload.startswith("stream")), key=_pattern_order
        )
        return self._relative(
            "throughput", "Throughput in the TCP patterns", streams, {s: _pattern(s) for s in streams}, 3
        )

    def other_rates(self) -> Chart | None:
        others = [w for w in self._workloads if w != "tcp_rr" and not w.startswith("stream")]
        return self._relative("other-loads", "Other loads", others, {w: short(w, 30) for w in others}, 2)

    def exits(self) -> Chart | None:
        return self._exits("interrupt", "exits_per_irq", share=True)

    def exits_per_operation(self) -> Chart | None:
        return self._exits("operation", "exits_per_operation", share=False)

    def _exits(self, per: str, metric: str, *, share: bool) -> Chart | None:
        """`share`: workloads can be compared with each other."""

        def stacked(workload: str) -> tuple[Bar, ...]:
            bars = self._bars(workload, metric)
            return tuple(bar._replace(parts=self._parts(workload, bar, kinds)) for bar in bars)

        kinds = _kinds(self._results.runs)
        panels = self._panels(
            ((short(workload, 30), f"exits per {per}", stacked(workload)) for workload in self._workloads),
            is_count=True,
        )
        head = Head(f"Exits per {per}", _spread(panels, "Fewer is better."))
        return bar_chart(f"exits-per-{per}", head, panels, 2, share=share) if panels else None

    def instructions(self) -> Chart | None:
        return self._instructions("instructions-per-interrupt", "instructions_per_irq", "interrupt")

    def instructions_per_operation(self) -> Chart | None:
        return self._instructions("instructions-per-operation", "instructions_per_operation", "operation")

    def _instructions(self, name: str, metric: str, per: str) -> Chart | None:
        panels = self._panels(
            (
                (short(workload, 30), f"instructions per {per}", self._bars(workload, metric))
                for workload in self._workloads
            ),
            is_count=True,
        )
        head = Head(f"Instructions per {per}", _spread(panels, "Of the whole board; fewer is better."))
        return bar_chart(name, head, panels, 2) if panels else None

    def _rates(
        self, name: str, title: str, workloads: Sequence[str], rate: str, words: str = "More is better."
    ) -> Chart | None:
        """Of one workload: native is 100 %, if it ran; else the rates as they are."""
        for workload in workloads[:1]:
            unit = f"{metric_named(rate).label}/s"
            whole = self._panels([(unit, "per second", self._bars(workload, rate))])
            share = self._panels([("in percent of native", "%", self._shares(workload, rate))], is_share=True)
            panels = [*share, *whole]
            return bar_chart(name, Head(title, _spread(panels, words)), panels, 2)
        return None

    def _relative(
        self, name: str, title: str, workloads: Sequence[str], titles: Mapping[str, str], columns: int
    ) -> Chart | None:
        rates = {workload: headline(self._results, workload) for workload in workloads}
        has_native = any(rate and self._shares(workload, rate) for workload, rate in rates.items())
        panels = self._panels(
            (
                (
                    titles[workload],
                    "% of native" if has_native else f"{short(metric_named(rate).label)}/s",
                    self._shares(workload, rate) if has_native else self._bars(workload, rate),
                )
                for workload, rate in rates.items()
                if rate is not None
            ),
            is_share=has_native,
        )
        native = "Native is 100 %; more is better." if has_native else "More is better."
        head = Head(title, _spread(panels, native))
        return bar_chart(name, head, panels, columns, share=has_native) if panels else None

    def _panels(
        self,
        wanted: Iterable[tuple[str, str, tuple[Bar, ...]]],
        *,
        is_count: bool = False,
        is_share: bool = False,
    ) -> list[Panel]:
        """Title, axis and bars each; those without bars are left out."""
        worth = worth_of(is_count, self._results)
        return [Panel(title, axis, bars, worth, is_share) for title, axis, bars in wanted if bars]

    def _bars(self, workload: str, metric: str) -> tuple[Bar, ...]:
        return tuple(
            Bar(mode, summary(values))
            for mode in self._modes
            if (values := self._series.get(Key(workload, mode, metric)))
        )

    def _shares(self, workload: str, rate: str) -> tuple[Bar, ...]:
        base = self._series.get(Key(workload, "native", rate), ())
        return tuple(
            Bar(mode, summary(values))
            for mode in self._modes
            if (values := relative(self._series.get(Key(workload, mode, rate), ()), base))
        )

    def _parts(self, workload: str, bar: Bar, kinds: Sequence[str]) -> tuple[tuple[str, float], ...]:
        """The kinds' shares of all runs' exits, of the bar's median."""
        runs = [run for run in self._results.runs if (run.workload, run.mode) == (workload, bar.variant)]
        exits = sum(run.counts.exits or 0 for run in runs)
        if not kinds or exits == 0:
            return ()
        sums = [sum(run.counts.exits_by_kind.get(kind, 0) for run in runs) for kind in kinds]
        rest = max(0, exits - sum(sums))
        whole = sum(sums) + rest
        return tuple(
            (name, bar.value.median * many / whole)
            for name, many in zip((_REST, *map(_kind, kinds)), (rest, *sums), strict=True)
        )

    def _with(self, rate: str, workloads: Iterable[str]) -> list[str]:
        return [workload for workload in workloads if self._bars(workload, rate)]


def _spread(panels: Sequence[Panel], words: str) -> str:
    counts = {bar.value.n for panel in panels for bar in panel.bars}
    least, most = min(counts, default=0), max(counts, default=0)
    runs = f"{least} run{'s' * (least != 1)}" if least == most else f"{least} to {most} runs"
    return f"{words} Median of {runs}; the line is from the least to the most."


def _kinds(runs: Sequence[Run]) -> list[str]:
    """The commonest, the most first."""
    sums: dict[str, int] = {}
    for run in runs:
        for kind, many in run.counts.exits_by_kind.items():
            if kind not in _NOT_KINDS:
                sums[kind] = sums.get(kind, 0) + many
    return sorted((kind for kind in sums if sums[kind]), key=lambda kind: (-sums[kind], kind))[:_KINDS]


def _kind(name: str) -> str:
    """KVM's name without what all of them have: ``wfi_exit_stat`` is ``wfi``."""
    words = [word for word in name.split("_") if word not in ("exit", "exits", "stat")]
    return short(" ".join(words) or name, 16)


def _pattern(workload: str) -> str:
    return short(workload.removeprefix("stream").strip("_-. :") or "stream", 20)


def _pattern_order(workload: str) -> int:
    pattern = _pattern(workload)
    return _PATTERNS.index(pattern) if pattern in _PATTERNS else len(_PATTERNS)
