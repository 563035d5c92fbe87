# SPDX-License-Identifier: Apache-2.0
"""What ``midway lab`` shows and measures on boards of its own: the demonstration, and the experiments."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from midway.cli.actions import add_action
from midway.config import InterruptMode
from midway.errors import UsageError
from midway.lab.boards import DEFAULT_BOARD, board_named
from midway.lab.running import start_board
from midway.output import check_writable, write_file

__all__ = ["add_actions"]


def add_actions(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = add_action(
        actions, "demo", "give the second NIC of the versal board to a guest, and take it back", _demo
    )
    demo.add_argument("--debug", action="store_true", help="show the board's console on standard error")
    demo.add_argument(
        "--irq",
        type=InterruptMode,
        choices=list(InterruptMode),
        help="interrupt mode; default: the best offered",
    )
    demo.add_argument("--json", type=Path, metavar="FILE", help="write what was measured as JSON")

    cost = add_action(
        actions, "irq-cost", "count what an interrupt costs in each mode, on one device under load", _irq_cost
    )
    cost.add_argument("--board", choices=("virt", "versal"), default="virt", help="default: %(default)s")
    cost.add_argument(
        "--interrupts", type=int, default=2000, metavar="N", help="in each run; default: %(default)s"
    )
    cost.add_argument(
        "--counts-only", action="store_true", help="no trace and no instructions: for many interrupts"
    )
    cost.add_argument("--json", type=Path, metavar="FILE", help="write what was counted as JSON")

    bench = add_action(
        actions, "bench", "measure a NIC natively and in guests, on two emulated nodes, and report", _bench
    )
    bench.add_argument("--quick", action="store_true", help="the least that shows anything")
    bench.add_argument(
        "--output", type=Path, default=Path("midway-bench"), metavar="DIR", help="default: %(default)s"
    )
    bench.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    bench.add_argument("--debug", action="store_true", help="show the boards' consoles on standard error")

    vmm_cost = add_action(
        actions, "vmm-cost", "measure what Midway itself costs, beside QEMU on the versal board", _vmm_cost
    )
    vmm_cost.add_argument("--repetitions", type=int, default=3, metavar="N", help="default: %(default)s")
    vmm_cost.add_argument(
        "--count-instructions",
        action="store_true",
        help="on a clock that counts them: a second is then 10^9 instructions, and repeats",
    )
    vmm_cost.add_argument("--debug", action="store_true", help="show the board's console on standard error")
    vmm_cost.add_argument("--json", type=Path, metavar="FILE", help="write every measurement as JSON")

    pictures = add_action(
        actions, "trace-pictures", "draw one interrupt in each mode, from real traces", _trace_pictures
    )
    pictures.add_argument("directory", type=Path, metavar="DIR", help="gets interrupt-MODE.svg")
    pictures.add_argument("--debug", action="store_true", help="show the board's console on standard error")


def _demo(arguments: argparse.Namespace) -> int:
    check_writable(arguments.json)
    from rich.console import Console

    from midway.lab.demo import run_demo
    from midway.lab.demo_report import failures, show

    with start_board(board_named(DEFAULT_BOARD), debug=arguments.debug) as board:
        result = run_demo(board, arguments.irq)
    show(result, Console())
    _write_json(arguments.json, result)
    return 1 if failures(result) else 0


def _irq_cost(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.interrupts <= 100_000:
        raise UsageError("--interrupts", answer=f"{arguments.interrupts} is not from 1 to 100000")
    check_writable(arguments.json)
    from rich.console import Console

    from midway.lab.irq_cost import measure
    from midway.lab.irq_cost_report import as_json, show
    from midway.measure.irq_cost import SAVING, agreement, saved_exits

    costs = measure(arguments.board, arguments.interrupts, counts_only=arguments.counts_only)
    show(costs, Console())
    _write_json(arguments.json, as_json(arguments.board, costs))
    if arguments.counts_only:  # as fast as the board can: exits of timers belong to the time that it takes
        return 0 if all(cost.host == cost.guest == cost.device for cost in costs) else 1
    agree = all(found.holds for found in agreement(costs))
    return 0 if agree and (saved_exits(costs) or 0.0) >= SAVING else 1


def _bench(arguments: argparse.Namespace) -> int:
    from midway.cli.lab_bench import bench

    return bench(arguments.output, arguments.json, quick=arguments.quick, debug=arguments.debug)


def _vmm_cost(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.repetitions <= 100:
        raise UsageError("--repetitions", answer=f"{arguments.repetitions} is not from 1 to 100")
    check_writable(arguments.json)
    from midway.cli.bench_vmm_cost import show
    from midway.lab.vmm_cost import measure

    costs = measure(
        repetitions=arguments.repetitions, counted=arguments.count_instructions, debug=arguments.debug
    )
    show(costs)
    _write_json(arguments.json, {"vmm_costs": [msgspec.to_builtins(cost) for cost in costs]})
    return 0


def _trace_pictures(arguments: argparse.Namespace) -> int:
    from midway.lab.trace_pictures import trace_pictures

    paths = {mode: arguments.directory / f"interrupt-{mode}.svg" for mode in InterruptMode}
    check_writable(*paths.values())
    for picture in trace_pictures(debug=arguments.debug):
        write_file(paths[picture.mode], picture.svg)
        print(picture.text)
    return 0


def _write_json(path: Path | None, data: Mapping[str, Any]) -> None:
    if path is not None:
        write_file(path, json.dumps(data, indent=2) + "\n")
