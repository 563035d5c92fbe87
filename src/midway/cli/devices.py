# SPDX-License-Identifier: Apache-2.0
"""``midway devices``: this host's platform devices, or those of a board whose tree is at hand."""

import argparse
import json
from dataclasses import dataclass
from typing import Any

from midway.board.describe import device_as_json
from midway.cli.host_view import HostView, add_tree_option, host_view
from midway.cli.tables import print_table
from midway.errors import PlanError, TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice, Line, Region
from midway.host.platform import Platform
from midway.host.usage import usage
from midway.passthrough.planner import assess
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import Verdict, verdict

__all__ = ["add_parser", "run"]

_COLUMNS = ("NAME", "COMPATIBLE", "DRIVER", "REGIONS", "LINES", "GROUP", "DMA", "VERDICT")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A device, its plan when it can be planned, what speaks against it, and what the host uses it for."""

    device: HostDevice
    plan: DevicePlan | None
    findings: tuple[Finding, ...]
    in_use: tuple[Finding, ...]


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
    platform = Platform(tree=view.host.tree.root) if view.is_live else None
    entries = [_entry(device, view, platform) for device in view.host.devices]
    if arguments.json:
        print(json.dumps({"devices": [_as_json(entry) for entry in entries]}, indent=2))
        return 0
    print_table(_COLUMNS, (_row(entry) for entry in entries))
    if entries:
        print("\n`midway explain NAME` says why.")
    else:
        print("No platform device has registers.")
    return 0


def _entry(device: HostDevice, view: HostView, platform: Platform | None) -> _Entry:
    in_use = () if platform is None else usage(platform, device.name)
    try:
        plan = assess(device, view.host)
    except (PlanError, TreeError) as error:
        cause = f"{error.attempted}: {error.answer}" if error.answer else error.attempted
        finding = Finding("not-plannable", Severity.REFUSAL, device.name, cause, error.remedy or "")
        return _Entry(device, None, (finding,), in_use)
    return _Entry(device, plan, plan.findings, in_use)


def _as_json(entry: _Entry) -> dict[str, Any]:
    device, routes = entry.device, {} if entry.plan is None else device_as_json(entry.plan)
    return {
        **routes,
        "name": device.name,
        "bus": device.bus.value,
        "node": device.node_path,
        "compatible": list(device.compatible),
        "driver": device.driver,
        "regions": [_region_as_json(region) for region in device.regions],
        "lines": [_line_as_json(line) for line in device.lines],
        "iommu_group": device.iommu_group,
        "verdict": verdict(entry.findings).value,
        "findings": [finding.as_json() for finding in entry.findings],
        "in_use": [finding.as_json() for finding in entry.in_use],
    }


def _region_as_json(region: Region) -> dict[str, int | str | None]:
    return {"index": region.index, "name": region.name, "address": region.address, "size": region.size}


def _line_as_json(line: Line) -> dict[str, int | str | None]:
    return {
        "index": line.index,
        "name": line.name,
        "spi": line.spi,
        "trigger": line.trigger.value,
        "controller": line.controller,
        "duplicate_of": line.duplicate_of,
    }


def _row(entry: _Entry) -> tuple[str, ...]:
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


def _verdict(entry: _Entry) -> str:
    """The verdict with the codes of the findings that made it, and what the host has the device for."""
    came_to = verdict(entry.findings)
    deciding = {Verdict.REFUSED: Severity.REFUSAL, Verdict.WITH_FINDINGS: Severity.WARNING}.get(came_to)
    codes = sorted({finding.code for finding in entry.findings if finding.severity is deciding})
    text = f"{came_to}: {', '.join(codes)}" if codes else came_to.value
    if entry.in_use:
        text += f"; in use: {', '.join(dict.fromkeys(finding.code for finding in entry.in_use))}"
    return text
