# SPDX-License-Identifier: Apache-2.0
"""``midway devices``: this host's platform devices, or those of a board whose tree is at hand."""

import argparse
import json

from midway.cli.assessed import Assessed, assessed_as_json, assessed_devices, deciding_codes
from midway.cli.host_view import add_tree_option, host_view
from midway.cli.tables import print_table
from midway.host.device import Line

__all__ = ["add_parser", "run"]

_COLUMNS = ("NAME", "COMPATIBLE", "DRIVER", "REGIONS", "LINES", "GROUP", "DMA", "VERDICT")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "devices",
        help="list this host's platform devices",
        description="List the platform devices and whether each can be passed to a guest.",
    )
    add_tree_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    view = host_view(arguments.tree)
    entries = list(assessed_devices(view))
    if arguments.json:
        print(json.dumps({"devices": [assessed_as_json(entry) for entry in entries]}, indent=2))
        return 0
    print_table(_COLUMNS, (_row(entry) for entry in entries))
    if entries:
        print("\n`midway explain NAME` says why.")
    else:
        print("No platform device has registers.")
    return 0


def _row(entry: Assessed) -> tuple[str, ...]:
    device = entry.device
    return (
        device.name,
        device.compatible[0] if device.compatible else "",
        device.driver or "-",
        " ".join(f"{region.address:#x}+{region.size:#x}" for region in device.regions),
        " ".join(_line(line) for line in device.lines if line.duplicate_of is None) or "-",
        "-" if device.iommu_group is None else str(device.iommu_group),
        entry.plan.dma.kind.value if entry.plan else "-",
        _verdict(entry),
    )


def _line(line: Line) -> str:
    return f"{'?' if line.spi is None else line.spi}:{line.trigger}"


def _verdict(entry: Assessed) -> str:
    """The verdict with the codes of the findings that made it, and what the host has the device for."""
    codes = deciding_codes(entry)
    text = f"{entry.phrase}: {', '.join(codes)}" if codes else entry.phrase
    if entry.in_use:
        text += f"; in use: {', '.join(dict.fromkeys(finding.code for finding in entry.in_use))}"
    return text
