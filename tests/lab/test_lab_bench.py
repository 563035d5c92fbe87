# SPDX-License-Identifier: Apache-2.0
"""Parts of `midway lab bench`: guests in numbers, and a board whose clock counts instructions."""

import pytest

from midway.bench.results import ScaleRun
from midway.lab.bench import guests_board
from midway.lab.cache import Cache
from midway.lab.guest_modules import guest_modules
from midway.lab.running import start_board
from midway.lab.scale import measure_scale, scale_board

COPIES = 100
_COUNT = """
from midway.kernel.instructions import InstructionCounters
from midway.kernel.syscalls import Linux
with InstructionCounters(Linux()) as counters:
    print(*counters.read())
"""


@pytest.fixture(scope="module")
def runs(emulation: None) -> dict[tuple[str, int, int], ScaleRun]:  # noqa: ARG001
    """Of one to four guests with an engine each, and one with four, by mode, guests and devices."""
    cache = Cache()
    with start_board(scale_board(), cache=cache) as board, guest_modules(cache, board.root) as modules:
        found = measure_scale(board, modules, COPIES)
    return {(run.mode, run.guests, run.devices): run for run in found}


@pytest.mark.usefixtures("no_board")
def test_guests_grow_in_number_and_one_has_all_engines_in_both_modes(
    runs: dict[tuple[str, int, int], ScaleRun],
) -> None:
    sizes = ((1, 1), (2, 1), (3, 1), (4, 1), (1, 4))
    assert set(runs) == {(mode, *size) for mode in ("forward", "irqfd") for size in sizes}


@pytest.mark.usefixtures("no_board")
def test_every_engine_makes_its_copies_each_with_an_interrupt(
    runs: dict[tuple[str, int, int], ScaleRun],
) -> None:
    for run in runs.values():
        counts = run.counts
        assert counts.operations == COPIES * run.guests * run.devices
        assert counts.host_interrupts == counts.guest_interrupts == counts.operations
        assert run.memory > 0


@pytest.mark.usefixtures("no_board")
def test_a_board_on_a_counted_clock_counts_the_instructions_of_its_processors() -> None:
    with start_board(guests_board().with_icount()) as board:
        done = board.run(["python3", "-c", _COUNT], check=True)
    assert all(int(count) > 0 for count in done.text.split())
