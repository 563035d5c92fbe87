# SPDX-License-Identifier: Apache-2.0
"""Results that are made up: plausible in shape, and nobody's measurement."""

import random
from functools import cache

import msgspec

from midway.bench.chart_style import Chart
from midway.bench.charts import charts_of
from midway.bench.metrics import MODES
from midway.bench.results import Counts, CpuTime, Machine, Results, Run, ScaleRun, VmmCost

__all__ = ["drawn", "made_up"]

# exits and user exits an interrupt, thousands of instructions an interrupt, share of native's rate
_COSTS = {
    "native": (None, None, 11.0, 1.0),
    "userspace": (9.4, 2.0, 61.0, 0.28),
    "irqfd": (5.4, 0.0, 34.0, 0.52),
    "forward": (4.1, 0.0, 26.0, 0.66),
    "qemu": (5.9, 0.04, 36.0, 0.5),
}
# the rate that it is about, native's, interrupts an operation
_WORKLOADS = {
    "tcp_rr": ("transactions_per_s", 2400.0, 2.0),
    "irq_rate": ("packets_per_s", 9000.0, 0.8),
    "stream_default": ("megabits_per_s", 210.0, 0.05),
    "stream_file": ("megabits_per_s", 190.0, 0.06),
    "stream_bulk": ("megabits_per_s", 320.0, 0.03),
    "dma": ("copies_per_s", 5200.0, 1.0),
}


def made_up(
    *,
    repetitions: int = 8,
    modes: tuple[str, ...] = MODES,
    workloads: int = 6,
    seed: int = 1,
    slower: float = 1.0,
) -> Results:
    """`slower` multiplies what an interrupt costs and divides the rates, but for native."""
    dice = random.Random(seed)  # noqa: S311 - the same each time
    runs = [
        _run(dice, workload, mode, repetition, slower if mode != "native" else 1.0)
        for workload in list(_WORKLOADS)[:workloads]
        for repetition in range(1, repetitions + 1)
        for mode in modes
    ]
    return Results(
        command="midway lab bench --example",
        begun="2026-01-01T12:00:00+00:00",
        took_s=1503.0,
        device="ff0d0000.ethernet",
        machine=Machine(
            name="versal (made up)",
            emulated=True,
            processors=2,
            memory_mb=3072,
            versions={"kernel": "6.1", "qemu": "7.2", "iperf3": "3.12"},
        ),
        runs=tuple(msgspec.structs.replace(run, order=order) for order, run in enumerate(runs)),
        vmm_costs=tuple(_vmm_costs(dice)),
        scale=tuple(_scale(dice)),
        notes=("These figures are made up.",),
    )


@cache
def drawn() -> list[Chart]:
    """The charts of three runs of everything, which take seconds to draw."""
    return charts_of(made_up(repetitions=3))


def _run(dice: random.Random, workload: str, mode: str, repetition: int, slower: float) -> Run:
    name, rate, irqs = _WORKLOADS[workload]
    exits, user, thousands, share = _COSTS[mode]

    def about(value: float, spread: float = 0.03) -> float:
        return value * dice.gauss(1, spread)

    done = about(rate * share / slower, 0.06)
    operations = int(10 * done)
    host = int(about(operations * irqs))
    wfi, mmio = int(about(host * 0.9)), int(about(host * 0.05))
    rates = {name: done, "interrupts_per_s": host / 10}
    if workload == "tcp_rr":
        rates |= {f"latency_p{at}_us": about(at * 8 / share * slower) for at in (50, 90, 99)}
    return Run(
        workload=workload,
        mode=mode,
        repetition=repetition,
        order=0,
        seconds=10.0,
        rates=rates,
        counts=Counts(
            operations=operations,
            host_interrupts=host,
            guest_interrupts=None if exits is None else host + dice.randrange(3),
            exits=None if exits is None else int(about(host * exits * slower)),
            user_exits=None if user is None else int(about(host * user)),
            exits_by_kind={} if exits is None else {"wfi_exit_stat": wfi, "mmio_exit_kernel": mmio},
            instructions=int(about(host * thousands * 1000 * slower)),
        ),
        cpu_time=CpuTime(
            host=about(7.0),
            vmm=None if exits is None else about(2.0),
            guest=None if exits is None else about(4.0),
        ),
    )


def _vmm_costs(dice: random.Random) -> list[VmmCost]:
    return [
        VmmCost(
            vmm=vmm,
            device="ff0d0000.ethernet",
            together=together,
            repetition=repetition,
            exec_to_first_instruction_s=start * together**0.7 * dice.gauss(1, 0.04),
            exec_to_init_s=(start + 5.0) * together**0.7 * dice.gauss(1, 0.04),
            memory=int(memory * dice.gauss(1, 0.01) * (1 << 20)),
            disk=disk << 20,
            threads=threads,
        )
        for together in (1, 2, 4)
        for repetition in range(1, 6)
        for vmm, start, memory, disk, threads in (
            ("midway", 0.7, 21.0, 24, 4),
            ("qemu", 1.9, 52.0, 88, 6),
            ("kvmtool", 0.3, 3.0, 1, 9),
        )
    ]


def _scale(dice: random.Random) -> list[ScaleRun]:
    found = []
    for mode, exits in (("irqfd", 5.4), ("forward", 4.1)):
        for guests, devices in ((1, 1), (2, 1), (3, 1), (4, 1), (1, 4)):
            irqs = int(5000 * (guests * devices) ** 0.8 * dice.gauss(1, 0.02) / exits * 10)
            found.append(
                ScaleRun(
                    mode=mode,
                    guests=guests,
                    devices=devices,
                    seconds=10.0,
                    interrupts_per_s=irqs / 10,
                    memory=int((21 - guests / 2) * (1 << 20)),
                    counts=Counts(
                        operations=irqs, host_interrupts=irqs, exits=int(irqs * exits * dice.gauss(1, 0.01))
                    ),
                )
            )
    return found
