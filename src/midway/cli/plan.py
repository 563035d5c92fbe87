# SPDX-License-Identifier: Apache-2.0
"""``midway plan``: what running a VM would do, without touching anything."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from midway.board.describe import plan_as_json
from midway.board.images import file_size, inspect_kernel
from midway.board.plan import MachinePlan, Window
from midway.board.planning import anonymous_banks, plan_machine
from midway.cli.host_view import HostView, add_tree_option, host_view
from midway.cli.tables import printable
from midway.cli.vm_options import add_vm_options, config_from, given_options
from midway.config import AddressPolicy, Backing, InterruptMode, MachineConfig
from midway.errors import UsageError
from midway.findings import Finding, Severity
from midway.output import write_file
from midway.passthrough.routes import DmaKind

__all__ = ["add_parser", "run"]

_ASSUMED_IMAGE = 64 << 20  # bytes, where no kernel is named; more than a distribution's takes


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "plan",
        help="show what running a VM would do, without doing it",
        description="Plan a VM and show the plan: every address, interrupt, provider and finding.  "
        "Nothing is claimed or opened; a kernel need not be named.",
    )
    add_vm_options(parser)
    add_tree_option(parser)
    parser.add_argument("--dump-dtb", type=Path, metavar="FILE", help="write the guest's device tree")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--all",
        action="store_true",
        help="plan no VM but each device of the host, and say what becomes of it",
    )


def run(arguments: argparse.Namespace) -> int:
    if arguments.all:
        return _run_all(arguments)
    config = config_from(arguments, kernel="")
    view = host_view(arguments.tree)
    plan = _plan(config, view)
    if arguments.dump_dtb is not None:
        write_file(arguments.dump_dtb, plan.tree)
    if arguments.json:
        print(json.dumps(plan_as_json(plan), indent=2))
    else:
        print(printable("\n".join(_page(plan))))
    for finding in _assumptions(plan):
        print(f"midway: {finding}", file=sys.stderr)
    return 0


def _run_all(arguments: argparse.Namespace) -> int:
    idle = [*given_options(arguments), *([] if arguments.dump_dtb is None else ["--dump-dtb"])]
    if idle:
        raise UsageError(
            "planning every device", answer="--all plans no VM", remedy=f"leave out {' and '.join(idle)}"
        )
    from midway.cli.assessed import assessed_as_json, assessed_devices, summary_of

    entries = list(assessed_devices(host_view(arguments.tree)))
    summary = summary_of(entries)
    if arguments.json:
        said = {"summary": summary, "devices": [assessed_as_json(entry) for entry in entries]}
        print(json.dumps(said, indent=2))
        return 0
    print(f"{summary['devices']} devices")
    for kind, count in summary["verdicts"].items():
        print(f"  {count:5}  {kind}")
        for code, times in summary["causes"].get(kind, {}).items():
            print(f"           {times:5}  {code}")
    print("\n`midway devices` lists them, `midway explain NAME` says why.")
    return 0


def _plan(config: MachineConfig, view: HostView) -> MachinePlan:
    image_size, text_offset = _ASSUMED_IMAGE, 0
    if config.kernel:
        image = inspect_kernel(Path(config.kernel))
        image_size, text_offset = image.size, image.text_offset
    fixed = [
        Window(region.address, region.size)
        for entry in config.devices
        if entry.address is AddressPolicy.HOST
        for region in view.device(entry.name).regions
    ]
    return plan_machine(
        config,
        view.host.tree.root,
        view.host.devices,
        banks=anonymous_banks(config, fixed),
        image_size=image_size,
        text_offset=text_offset,
        initrd_size=0 if config.initrd is None else file_size(Path(config.initrd), what="initrd"),
        gic_version=view.gic_version(),
        clock_rates=view.host.clock_rates,
        page_size=view.host.page_size,
    )


def _assumptions(plan: MachinePlan) -> Iterator[Finding]:
    """What the plan takes for granted, and a run decides."""
    if not plan.config.kernel:
        yield Finding(
            "kernel-assumed",
            Severity.NOTE,
            "the VM",
            f"no kernel is named: {_ASSUMED_IMAGE >> 20} MiB are assumed for it",
        )
    direct = any(device.dma.kind is DmaKind.DIRECT for device in plan.devices)
    if plan.config.backing is Backing.DIRECT or (direct and plan.config.backing is Backing.AUTO):
        yield Finding(
            "memory-assumed",
            Severity.NOTE,
            "the VM",
            "with direct DMA its RAM will lie where the huge pages are; the addresses shown are assumed",
        )


def _page(plan: MachinePlan) -> Iterator[str]:
    """The guest's address space from bottom to top, then its interrupts, devices and findings."""
    yield f"A guest with {plan.config.cpus} CPU(s), {plan.config.memory} MiB and GICv{plan.gic.version}"
    yield ""
    yield "Guest physical addresses"
    for address, size, title in sorted(_places(plan)):
        yield f"  {address:#014x}  {size:#12x}  {title}"
    yield ""
    yield "Guest interrupts"
    yield f"  SPI {plan.uart.spi:3}  the board's UART"
    for device in plan.devices:
        for route in device.lines:
            line = route.line
            mode = str(route.mode)
            if route.mode is InterruptMode.FORWARD and not route.asked:
                mode = "forward (the default; irqfd if the driver or the kernel has it not)"
            yield f"  SPI {route.spi:3}  {device.device.name} line {line.index}, {line.trigger}, {mode}"
    for device in plan.devices:
        yield ""
        yield f"{device.device.name} becomes {device.node.name} on the platform bus"
        yield f"  DMA: {device.dma.kind}" + (
            "" if device.dma.group is None else f", group {device.dma.group}"
        )
        for decision in device.decisions:
            yield f"  {decision.property}: {decision.policy or 'kept'}: {decision.outcome}"
    yield ""
    yield "Findings"
    yield from (f"  {finding}" for finding in plan.findings)
    if not plan.findings:
        yield "  none"


def _places(plan: MachinePlan) -> Iterator[tuple[int, int, str]]:
    for bank in plan.banks:
        yield bank.address, bank.size, "RAM"
    yield plan.gic.distributor.address, plan.gic.distributor.size, "GIC distributor"
    second = "GIC redistributors" if plan.gic.version == 3 else "GIC CPU interface"
    yield plan.gic.second.address, plan.gic.second.size, second
    yield plan.uart.window.address, plan.uart.window.size, "UART"
    yield plan.panic.address, plan.panic.size, "panic register"
    yield plan.marks.address, plan.marks.size, "marks register"
    for device in plan.devices:
        for route in device.mmio:
            how = "mapped" if route.mapped else "trapped"
            title = f"{device.device.name} region {route.region.index}, host {route.region.address:#x}, {how}"
            yield route.guest_address, route.region.size, title
