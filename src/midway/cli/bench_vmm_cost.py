# SPDX-License-Identifier: Apache-2.0
"""``midway bench vmm-cost``: what Midway itself costs, beside the other VMMs of this host."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from midway.cli.tables import print_table

if TYPE_CHECKING:
    from midway.bench.results import VmmCost

__all__ = ["add_action", "show"]


def add_action(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from midway.bench.vmm_cost import add_options

    summary = "measure what Midway itself costs, beside the other VMMs of this host"
    parser = actions.add_parser("vmm-cost", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    add_options(parser)
    parser.set_defaults(act=_act)


def _act(arguments: argparse.Namespace) -> int:
    from midway.bench.vmm_cost import run

    show(run(arguments))
    return 0


def show(costs: "Sequence[VmmCost]") -> None:
    """The medians, as a table."""
    from midway.bench.vmm_ratio import compare

    print_table(
        ("VMs", "cost", "midway", "beside", "", "ratio"),
        [
            (
                str(found.together),
                found.measure.removesuffix("_s").replace("_", " "),
                _amount(found.measure, found.midway),
                found.vmm,
                _amount(found.measure, found.other),
                f"{found.ratio:.2f}",
            )
            for found in compare(costs)
        ],
    )


def _amount(measure: str, value: float) -> str:
    if measure.endswith("_s"):
        return f"{value:.3f} s"
    return f"{value:g}" if measure == "threads" else f"{value / 1e6:.1f} MB"
