# SPDX-License-Identifier: Apache-2.0
"""``midway mode``: the interrupt mode of a device of a running VM."""

import argparse

from midway.config import InterruptMode
from midway.errors import DeviceError

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "show or change the interrupt mode of a running VM's device"
    parser = subparsers.add_parser("mode", help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument("device", metavar="DEVICE", help="as in /sys/bus/platform/devices")
    parser.add_argument(
        "mode",
        metavar="MODE",
        nargs="?",
        type=InterruptMode,
        choices=list(InterruptMode),
        help=f"the new one: {', '.join(InterruptMode)}",
    )
    parser.add_argument("--line", type=int, metavar="N", help="only this line of it; default: all")


def run(arguments: argparse.Namespace) -> int:
    from midway.vm.running import vm_with

    device, wanted = arguments.device, arguments.line
    vm, status = vm_with(device)
    lines = [line.line for line in status.lines_of(device) if wanted in (None, line.line)]
    if not lines:
        raise DeviceError("looking for its line", device=device, answer="the VM has no such line")
    if arguments.mode is not None:
        for line in lines:
            vm.ask("set-mode", device=device, line=line, mode=arguments.mode)
        status = vm.status()
    for found in status.lines_of(device):
        if found.line in lines:
            count = "uncounted" if found.host is None else found.host
            print(f"{device} line {found.line} -> SPI {found.spi}, {found.mode}: {count} interrupts")
    return 0
