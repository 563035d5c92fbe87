# SPDX-License-Identifier: Apache-2.0
"""``midway lab bench``: the whole experiment on emulated boards, in four parts, each on boards of its own.

The network's workloads run on a board whose second NIC is joined to a peer's.  Instructions are counted under
a load that needs no network, on a board with a clock of its own, whose times mean nothing.  Guests in numbers
run on a third, whose memory suits them, and what a VMM itself costs is measured on a fourth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from midway.bench.metrics import MODES
from midway.bench.results import Results, ScaleRun, VmmCost
from midway.bench.workloads import Kind, workloads_for
from midway.errors import MidwayError
from midway.lab.bench_run import Part, bench_on
from midway.lab.boards import Board, board_named
from midway.lab.cache import Cache
from midway.lab.guest_modules import guest_modules
from midway.lab.pair import BOARD_ADDRESS, PEER_ADDRESS, PREFIX_LENGTH, start_pair
from midway.lab.running import RunningBoard, start_board
from midway.lab.scale import measure_scale, scale_board
from midway.lab.vmm_cost import measure_on

__all__ = ["FULL", "NIC", "QUICK", "Amount", "Gathered", "gather", "guests_board"]

NIC = "ff0d0000.ethernet"
WORKLOADS = tuple(workload.name for workload in workloads_for(Kind.NETWORK))
_ENGINE = "ffa80000.dma"
_ENGINE_MODULES = ("zynqmp_dma", "dmatest")
_COUNTED_NOTE = (
    "dma: on a board whose clock counts instructions (one takes a nanosecond); its times are that clock's"
)
_QEMU_NOTE = (
    "qemu: with a GICv3, which the board has, QEMU 7.2 knows no irqfd: it takes each interrupt in user space "
    "(which its user-space exits leave out) and traps accesses to the device's registers for a while after it"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much is measured.

    The network's `workloads`: `repetitions`, `seconds` of each.  Instructions: `counted_repetitions`,
    `counted_modes`, `counted_seconds` of the clock that counts them.  Guests in numbers: up to `guests`, and
    `copies` of each DMA engine for each number.  A VMM's own cost: `cost_repetitions` for each number of VMs
    `together`.  `timeout` is in seconds, for each command on a board that measures.
    """

    workloads: tuple[str, ...] = WORKLOADS
    repetitions: int
    seconds: int
    counted_repetitions: int
    counted_modes: tuple[str, ...] = MODES
    counted_seconds: float = 0.2  # about a thousand copies
    guests: int
    copies: int
    cost_repetitions: int
    together: tuple[int, ...]
    timeout: float


QUICK = Amount(
    workloads=("tcp_rr", "irq_rate", "stream_bulk"),  # of the streams one
    repetitions=2,
    seconds=1,
    counted_repetitions=1,
    counted_modes=("irqfd", "forward", "qemu"),
    guests=2,
    copies=300,
    cost_repetitions=1,
    together=(1,),
    timeout=1800,
)
FULL = Amount(
    repetitions=4,  # of one workload too few to tell modes apart, of all of them enough
    seconds=2,
    counted_repetitions=6,  # one workload alone: the fewest that can tell, corrected for what else is asked
    guests=4,
    copies=1000,
    cost_repetitions=2,
    together=(1, 2, 4),
    timeout=5400,
)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the parts measured; `failures` says what did not end well."""

    parts: tuple[Results, ...] = ()
    scale: tuple[ScaleRun, ...] = ()
    vmm_costs: tuple[VmmCost, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def with_part(self, part: Part, *notes: str) -> "Gathered":
        return replace(
            self,
            parts=(*self.parts, *((part.results,) if part.results else ())),
            failures=(*self.failures, *((part.failure,) if part.failure else ())),
            notes=(*self.notes, *notes),
        )


def gather(
    amount: Amount, after_each: Callable[[Gathered], None] = lambda _: None, *, debug: bool = False
) -> Gathered:
    """Do all parts, of which each may fail without loss for the others.

    `after_each` gets what there is so far.  Raises MidwayError only where it does.
    """
    gathered = Gathered()
    for title, part in (
        ("the network's workloads", _network),
        ("instructions", _counted),
        ("guests in numbers", _scale),
        ("what a VMM costs", _costs),
    ):
        try:
            gathered = part(amount, gathered, debug)
        except (MidwayError, TimeoutError) as error:  # a board's commands end by the latter
            gathered = replace(gathered, failures=(*gathered.failures, f"{title}: {error}"))
        after_each(gathered)
    return gathered


def guests_board() -> Board:
    """A board whose huge page is where QEMU's guests have their RAM, and within reach of the DMA engines."""
    return board_named("versal").with_memory(3072, "cma=0")


def _network(amount: Amount, gathered: Gathered, debug: bool) -> Gathered:
    options = [
        *("--device", NIC, "--address", f"{BOARD_ADDRESS}/{PREFIX_LENGTH}", "--peer", PEER_ADDRESS),
        *("--workloads", ",".join(amount.workloads)),
        *("--repetitions", str(amount.repetitions), "--seconds", str(amount.seconds)),
    ]
    with start_pair(guests_board(), debug=debug) as pair:
        return gathered.with_part(
            bench_on(pair.board, [*options, *_modes(MODES)], amount.timeout), _QEMU_NOTE
        )


def _counted(amount: Amount, gathered: Gathered, debug: bool) -> Gathered:
    cache = Cache()
    with start_board(guests_board().with_icount(), cache=cache, debug=debug) as board:
        options = [
            *("--device", _ENGINE, "--workloads", "dma"),
            *("--repetitions", str(amount.counted_repetitions)),
            *("--seconds", str(amount.counted_seconds)),
        ]
        options += _put_modules(board, cache)
        part = bench_on(board, [*options, *_modes(amount.counted_modes)], amount.timeout)
        return gathered.with_part(part, _COUNTED_NOTE)


def _put_modules(board: RunningBoard, cache: Cache) -> list[str]:
    """The options that give the board's kernel and its guests a driver for the DMA engines."""
    options = []
    with guest_modules(cache, board.root) as built:
        for name in _ENGINE_MODULES:
            path = f"/run/{name}.ko"
            board.put(path, built[name].read_bytes())
            options += ["--module", path]
    return options


def _scale(amount: Amount, gathered: Gathered, debug: bool) -> Gathered:
    cache = Cache()
    with (
        start_board(scale_board(), cache=cache, debug=debug) as board,
        guest_modules(cache, board.root) as built,
    ):
        return replace(gathered, scale=measure_scale(board, built, amount.copies, amount.guests))


def _costs(amount: Amount, gathered: Gathered, debug: bool) -> Gathered:
    with start_board(board_named("versal"), debug=debug) as board:
        costs = measure_on(board, together=amount.together, repetitions=amount.cost_repetitions)
    return replace(gathered, vmm_costs=costs)


def _modes(modes: Sequence[str]) -> tuple[str, str]:
    return ("--modes", ",".join(modes))
