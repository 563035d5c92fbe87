# SPDX-License-Identifier: Apache-2.0
"""``midway explain``: why a device can or cannot be passed, and what would help."""

import argparse
import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from midway.board.describe import device_as_json
from midway.cli.host_view import HostView, add_tree_option, host_view
from midway.cli.tables import printable
from midway.findings import Finding, Severity
from midway.output import write_file
from midway.passthrough.planner import assess
from midway.passthrough.routes import DevicePlan, DmaKind
from midway.passthrough.verdict import Verdict, verdict, verdict_phrase

__all__ = ["add_parser", "run"]

_WIDTH = 112


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "explain",
        help="say why a device can or cannot be passed to a guest",
        description="What a device is, its four routes, what the host uses it for, and every finding with "
        "its remedy.",
        epilog="exit status: 0 when the device can be passed, 1 when it is refused.",
    )
    parser.add_argument("device", metavar="DEVICE", help="as `midway devices` lists it, or its node's path")
    add_tree_option(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--graph", type=Path, metavar="FILE.svg", help="also draw it all as a picture")


def run(arguments: argparse.Namespace) -> int:
    view = host_view(arguments.tree)
    plan = assess(view.device(arguments.device), view.host)
    in_use = _usage(view, plan.device.name) if view.is_live else ()
    if arguments.graph is not None:
        _draw(arguments.graph, plan, in_use)
    if arguments.json:
        said = {**device_as_json(plan), "in_use": [finding.as_json() for finding in in_use]}
        print(json.dumps(said, indent=2))
    else:
        print(printable("\n".join(_page(plan, in_use, is_live=view.is_live))))
    return 1 if verdict(plan.findings) is Verdict.REFUSED else 0


def _usage(view: HostView, name: str) -> tuple[Finding, ...]:
    from midway.host.platform import Platform
    from midway.host.usage import usage

    return usage(Platform(tree=view.host.tree.root), name)


def _draw(file: Path, plan: DevicePlan, in_use: Sequence[Finding]) -> None:
    from midway.views.graph import picture

    write_file(file, picture(plan, in_use))


def _page(plan: DevicePlan, in_use: Sequence[Finding], *, is_live: bool) -> Iterator[str]:
    device = plan.device
    yield f"{device.name}: {verdict_phrase(plan)}"
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
    yield "What its node points to (description)"
    yield from _columns(_providers(plan)) if plan.decisions else ["  nothing"]
    yield ""
    if is_live:
        yield "What the host uses it for"
        for finding in in_use:
            yield f"  [{finding.code}]: {finding.cause}"
            if finding.remedy:
                yield f"      remedy: {finding.remedy}"
        if not in_use:
            yield "  nothing"
        yield ""
    yield "Findings"
    for finding in sorted(plan.findings, key=lambda finding: -list(Severity).index(finding.severity)):
        yield f"  {finding.severity} [{finding.code}]: {finding.cause}"
        if finding.remedy:
            yield f"      remedy: {finding.remedy}"
    if not plan.findings:
        yield "  none"


def _regions(plan: DevicePlan) -> Iterator[Sequence[str]]:
    yield ("region", "name", "host address", "size", "the guest's accesses")
    planned = {route.region.index: route for route in plan.mmio}
    for region in plan.device.regions:
        route = planned.get(region.index)
        how = "none: it is empty" if route is None else "mapped" if route.mapped else "trapped"
        yield (str(region.index), region.name or "", f"{region.address:#x}", f"{region.size:#x} bytes", how)


def _lines(plan: DevicePlan) -> Iterator[Sequence[str]]:
    yield ("line", "name", "host", "trigger", "mode")
    modes = {route.line.index: str(route.mode) for route in plan.lines}
    for line in plan.device.lines:
        where = f"at {line.controller}" if line.spi is None else f"SPI {line.spi}"
        how = modes.get(line.index, "not routed")
        if line.duplicate_of is not None:
            how = f"same as {line.duplicate_of}"
        yield (str(line.index), line.name or "", where, str(line.trigger), how)


def _providers(plan: DevicePlan) -> Iterator[Sequence[str]]:
    yield ("property", "policy", "what comes of it")
    for decision in plan.decisions:
        yield (decision.title(plan.device.node_path), str(decision.policy or "kept"), decision.in_full())


def _columns(rows: Iterator[Sequence[str]]) -> Iterator[str]:
    """Rows with their cells one below the other, the first as headings, the last column broken into lines.

    A column that is empty but for its heading is left out.
    """
    table = list(rows)
    used = [column for column in zip(*table, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in used[:-1]]
    for *cells, last in zip(*used, strict=True):
        start = "".join(f"{cell.ljust(width)}  " for cell, width in zip(cells, widths, strict=True))
        yield from textwrap.wrap(
            f"  {start}{last}",
            _WIDTH,
            subsequent_indent=" " * (len(start) + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
