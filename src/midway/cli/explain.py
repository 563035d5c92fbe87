# SPDX-License-Identifier: Apache-2.0
"""``midway explain``: why a device can or cannot be passed, and what would help."""

import argparse
import json
from collections.abc import Iterator, Sequence

from midway.board.describe import device_as_json
from midway.cli.host_view import add_tree_option, host_view
from midway.cli.tables import printable
from midway.findings import Severity
from midway.passthrough.planner import assess
from midway.passthrough.routes import DevicePlan, DmaKind
from midway.passthrough.verdict import Verdict, verdict

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "explain",
        help="say why a device can or cannot be passed to a guest",
        description="What a device is, its four routes, and every finding with its remedy.",
        epilog="exit status: 0 when the device can be passed, 1 when it is refused.",
    )
    parser.add_argument("device", metavar="DEVICE", help="as `midway devices` lists it, or its node's path")
    add_tree_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    view = host_view(arguments.tree)
    plan = assess(view.device(arguments.device), view.host)
    if arguments.json:
        print(json.dumps(device_as_json(plan), indent=2))
    else:
        print(printable("\n".join(_page(plan, is_live=view.is_live))))
    return 1 if verdict(plan.findings) is Verdict.REFUSED else 0


def _page(plan: DevicePlan, *, is_live: bool) -> Iterator[str]:
    device = plan.device
    yield f"{device.name}: {verdict(plan.findings)}"
    yield ""
    yield f"  node        {device.node_path}"
    yield f"  compatible  {', '.join(device.compatible)}"
    if is_live:
        yield f"  driver      {device.driver or 'none'}"
    yield ""
    yield "Registers (MMIO)"
    yield from _columns(_regions(plan))
    yield ""
    yield "Interrupts (IRQ)"
    yield from _columns(_lines(plan)) if device.lines else ["  none"]
    yield ""
    yield "Memory access (DMA)"
    if plan.dma.kind is DmaKind.IOMMU:
        yield f"  through the IOMMU, group {plan.dma.group}"
    else:
        yield "  direct: the guest's RAM lies at its host physical addresses"
    yield ""
    yield "Providers (description)"
    yield from _columns(_providers(plan)) if plan.decisions else ["  none"]
    yield ""
    yield "Findings"
    for finding in sorted(plan.findings, key=lambda finding: -list(Severity).index(finding.severity)):
        yield f"  {finding.severity} [{finding.code}]: {finding.cause}"
        if finding.remedy:
            yield f"      remedy: {finding.remedy}"
    if not plan.findings:
        yield "  none"


def _regions(plan: DevicePlan) -> Iterator[Sequence[str]]:
    planned = {route.region.index: route for route in plan.mmio}
    for region in plan.device.regions:
        route = planned.get(region.index)
        how = "empty" if route is None else "mapped" if route.mapped else "trapped"
        yield (str(region.index), region.name or "", f"{region.address:#x}", f"{region.size:#x} bytes", how)


def _lines(plan: DevicePlan) -> Iterator[Sequence[str]]:
    modes = {route.line.index: str(route.mode) for route in plan.lines}
    for line in plan.device.lines:
        where = f"at {line.controller}" if line.spi is None else f"SPI {line.spi}"
        how = modes.get(line.index, "not routed")
        if line.duplicate_of is not None:
            how = f"same as {line.duplicate_of}"
        yield (str(line.index), line.name or "", where, str(line.trigger), how)


def _providers(plan: DevicePlan) -> Iterator[Sequence[str]]:
    for decision in plan.decisions:
        below = decision.node.removeprefix(plan.device.node_path).removeprefix("/")
        title = f"{below}: {decision.property}" if below else decision.property
        yield (title, ", ".join(decision.targets), str(decision.policy or "kept"), decision.outcome)


def _columns(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Rows with their cells one below the other; a column that is empty everywhere is left out."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        shown = (cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        yield f"  {'  '.join(shown)}".rstrip()
