# SPDX-License-Identifier: Apache-2.0
"""Any results that there can be."""

from hypothesis import strategies as st

from midway.bench.results import Counts, CpuTime, Machine, Results, Run, ScaleRun, VmmCost

__all__ = ["results"]

_TEXT = st.text(max_size=12)
_COUNT = st.integers(0, 1 << 61)
_MAYBE = st.none() | _COUNT
_FIGURE = st.floats() | st.floats(0, 1e6)
_MODE = st.sampled_from(["native", "userspace", "irqfd", "forward", "qemu", "another"])
_RATE = st.sampled_from(
    ["transactions_per_s", "interrupts_per_s", "megabits_per_s", "latency_p99_us", "_s", "exits_per_irq", ""]
)
_COUNTS = st.builds(
    Counts,
    operations=_COUNT,
    host_interrupts=_COUNT,
    guest_interrupts=_MAYBE,
    exits=_MAYBE,
    user_exits=_MAYBE,
    exits_by_kind=st.dictionaries(_TEXT | st.just("wfi_exit_stat"), _COUNT, max_size=3),
    instructions=_MAYBE,
)
_RUN = st.builds(
    Run,
    workload=st.sampled_from(["tcp_rr", "irq_rate", "stream_default", "stream", "$x$", "<b>"]) | _TEXT,
    mode=_MODE,
    repetition=st.integers(1, 9),
    order=st.integers(0, 99),
    seconds=_FIGURE,
    rates=st.dictionaries(_RATE, _FIGURE, max_size=3),
    counts=_COUNTS,
    cpu_time=st.none() | st.builds(CpuTime, host=_FIGURE, vmm=st.none() | _FIGURE, guest=st.none() | _FIGURE),
)
_COST = st.builds(
    VmmCost,
    vmm=st.sampled_from(["midway", "qemu", "kvmtool", "z" * 60]),
    device=st.none() | _TEXT,
    together=st.sampled_from([0, 1, 2, 4]),
    repetition=st.integers(1, 9),
    exec_to_first_instruction_s=_FIGURE,
    exec_to_init_s=_FIGURE,
    memory=_COUNT,
    disk=_COUNT,
    threads=_COUNT,
)
_SCALE = st.builds(
    ScaleRun,
    mode=_MODE,
    guests=st.integers(0, 4),
    devices=st.integers(0, 4),
    seconds=_FIGURE,
    interrupts_per_s=_FIGURE,
    memory=_COUNT,
    counts=_COUNTS,
)


def results() -> st.SearchStrategy[Results]:
    return st.builds(
        Results,
        command=_TEXT,
        begun=_TEXT,
        took_s=_FIGURE,
        device=_TEXT,
        machine=st.builds(
            Machine,
            name=_TEXT,
            emulated=st.booleans(),
            processors=st.integers(0, 8),
            memory_mb=_COUNT,
            versions=st.dictionaries(_TEXT, _TEXT, max_size=2),
        ),
        runs=st.lists(_RUN, max_size=8).map(tuple),
        vmm_costs=st.lists(_COST, max_size=5).map(tuple),
        scale=st.lists(_SCALE, max_size=4).map(tuple),
        notes=st.lists(_TEXT, max_size=2).map(tuple),
    )
