# SPDX-License-Identifier: Apache-2.0
"""``midway trace``: the life of a passed device's interrupts, recorded and drawn."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from midway.cli.termination import orderly_termination
from midway.errors import UsageError
from midway.output import check_writable, write_file

if TYPE_CHECKING:
    from midway.measure.trace import LineTrace

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Record the interrupts of a device of a running VM with the kernel's tracer, and draw one that is like most of
them.  Needs root.  The VM and whoever else traces are not disturbed; nothing of the recording is left behind.
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "trace", help="record and draw the life of a passed device's interrupts", description=_DESCRIPTION
    )
    parser.add_argument("device", metavar="DEVICE", help="as in /sys/bus/platform/devices")
    parser.add_argument("--line", type=int, default=0, metavar="N", help="its line; default: %(default)s")
    parser.add_argument(
        "--seconds", type=float, default=1.0, metavar="S", help="how long to record; default: %(default)s"
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw it there too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts as JSON")
    parser.add_argument(
        "--no-times", action="store_true", help="leave out times, which mean nothing on emulated boards"
    )


def run(arguments: argparse.Namespace) -> int:
    if not 0 < arguments.seconds <= 60:  # NaN is refused too
        raise UsageError("--seconds is more than 0 and at most 60")
    check_writable(arguments.svg, arguments.json)
    from midway.measure.trace import record_line

    with orderly_termination():
        trace = record_line(arguments.device, arguments.line, arguments.seconds)
    _show(arguments, trace)
    if arguments.json is not None:
        write_file(arguments.json, json.dumps(trace.as_json(), indent=2) + "\n")
    print(trace)
    return 0


def _show(arguments: argparse.Namespace, trace: "LineTrace") -> None:
    if trace.life is None:
        print("no interrupt was seen from its beginning to its end")
        return
    from midway.measure.diagram import picture_of
    from midway.measure.diagram_svg import as_svg
    from midway.measure.diagram_text import as_text

    picture = picture_of(
        trace.life, trace.mode, device=trace.device, spi=trace.spi, is_timed=not arguments.no_times
    )
    for line in as_text(picture):
        print(line)
    print()
    if arguments.svg is not None:
        write_file(arguments.svg, as_svg(picture))
