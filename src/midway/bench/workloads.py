# SPDX-License-Identifier: Apache-2.0
"""The loads that a benchmark puts on a device, as data: the tool, how it is called, what its output says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from midway.bench import dmatest, fio, iperf3, sockperf
from midway.bench.outcome import Outcome
from midway.errors import UsageError

__all__ = ["WORKLOADS", "Kind", "Place", "Target", "Workload", "check_seconds", "named", "workloads_for"]


class Kind(StrEnum):
    """What a device is for its kernel."""

    NETWORK = "network"
    DISK = "disk"
    DMA = "dma"


@dataclass(frozen=True, slots=True)
class Target:
    """What the loads are aimed at.

    `peer` runs ``iperf3 -s`` and ``sockperf server --tcp`` at these ports; "" where no load needs one.
    `seconds` are whole ones where check_seconds says so.
    """

    seconds: float
    peer: str = ""
    iperf3_port: int = 5201
    sockperf_port: int = 11111


@dataclass(frozen=True, slots=True)
class Place:
    """The device where the load runs, in a guest by default: its disk's file, or its DMA channel."""

    disk: str = "/dev/bench-disk"
    channel: str = "dma0chan0"


@dataclass(frozen=True, slots=True)
class Workload:
    """`unit` is that of the operations; `tool` is the program that a guest's image needs, None for none."""

    name: str
    kind: Kind
    summary: str
    unit: str
    tool: str | None
    command: Callable[[Target, Place], tuple[str, ...]]
    parse: Callable[[str], Outcome]


def _tcp_rr(target: Target, _: Place) -> tuple[str, ...]:
    return sockperf.ping_pong(target.peer, target.sockperf_port, int(target.seconds))


def _irq_rate(target: Target, _: Place) -> tuple[str, ...]:
    return sockperf.under_load(target.peer, target.sockperf_port, int(target.seconds))


def _stream(target: Target, _: Place, *, buffers: int, sends: int) -> tuple[str, ...]:
    return iperf3.stream(target.peer, target.iperf3_port, int(target.seconds), buffers=buffers, sends=sends)


def _disk(target: Target, place: Place) -> tuple[str, ...]:
    return fio.random_reads(place.disk, int(target.seconds))


def _dma(target: Target, place: Place) -> tuple[str, ...]:
    return dmatest.copies(place.channel, target.seconds)


def _pattern(name: str, buffers: int, sends: int) -> Workload:
    return Workload(
        name=f"stream_{name}",
        kind=Kind.NETWORK,
        summary=f"one TCP stream to the peer: {buffers} kB socket buffers, {sends} kB sends",
        unit="kilobytes",
        tool="iperf3",
        command=partial(_stream, buffers=buffers, sends=sends),
        parse=iperf3.parse_stream,
    )


WORKLOADS: tuple[Workload, ...] = (
    Workload(
        name="tcp_rr",
        kind=Kind.NETWORK,
        summary="a smallest message to the peer and back over TCP, one at a time",
        unit="transactions",
        tool="sockperf",
        command=_tcp_rr,
        parse=sockperf.parse_ping_pong,
    ),
    Workload(
        name="irq_rate",
        kind=Kind.NETWORK,
        summary="smallest messages to the peer over TCP as fast as they go, each a packet of its own",
        unit="packets",
        tool="sockperf",
        command=_irq_rate,
        parse=sockperf.parse_under_load,
    ),
    _pattern("default", buffers=8, sends=8),
    _pattern("file", buffers=8, sends=4),
    _pattern("bulk", buffers=64, sends=8),
    Workload(
        name="disk",
        kind=Kind.DISK,
        summary="direct random reads of 4 KiB, one at a time",
        unit="reads",
        tool="fio",
        command=_disk,
        parse=fio.parse_reads,
    ),
    Workload(
        name="dma",
        kind=Kind.DMA,
        summary="copies of up to 4 KiB by Linux' dmatest, each verified (give the modules with --module)",
        unit="copies",
        tool=None,
        command=_dma,
        parse=dmatest.parse_copies,
    ),
)


def named(names: Sequence[str]) -> tuple[Workload, ...]:
    """The workloads of these names, once each.  UsageError for a name there is not, or for several kinds."""
    known = {workload.name: workload for workload in WORKLOADS}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f"no workload is called {unknown[0]!r}" if unknown else "no workload was named",
            remedy=f"they are {', '.join(known)}",
        )
    chosen = tuple(known[name] for name in dict.fromkeys(names))
    if len({workload.kind for workload in chosen}) > 1:
        raise UsageError(
            "these workloads are for several kinds of device", remedy="run them one after another"
        )
    return chosen


def check_seconds(kind: Kind, seconds: float) -> None:
    """UsageError unless the loads of this kind can run so long."""
    if kind is not Kind.DMA and seconds != int(seconds):
        raise UsageError(
            "--seconds",
            answer=f"the tool of a {kind} load takes no {seconds:g} seconds",
            remedy="give a whole number; a fraction is for DMA engines",
        )


def workloads_for(kind: Kind) -> tuple[Workload, ...]:
    return tuple(workload for workload in WORKLOADS if workload.kind is kind)
