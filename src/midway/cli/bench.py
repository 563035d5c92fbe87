# SPDX-License-Identifier: Apache-2.0
"""``midway bench``: a device measured natively and in guests, with the same tools."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from midway.bench.metrics import DEFAULT_MODES
from midway.cli import bench_report, bench_vmm_cost
from midway.cli.termination import orderly_termination
from midway.errors import UsageError
from midway.output import command_line

__all__ = ["add_parser", "run"]

_SUMMARY = "measure a device natively and in guests, with the same tools"
_DESCRIPTION = """\
Measure a device of this host: natively, in its own driver's hands, and in a guest for each mode.  The load,
the kernel and the device are the same every time.  Needs root.  The device has to be free (an interface down,
a disk unused), and is given back as it was found.
"""
_EPILOG = """\
A network device needs a peer on its network, which runs the standard servers:

  iperf3 -s
  sockperf server --tcp

Example:

  midway bench run --device ff0d0000.ethernet --address 192.168.77.1/24 --peer 192.168.77.2 \\
    --json results.json
"""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "bench", help=_SUMMARY, description=f"{_SUMMARY[0].upper()}{_SUMMARY[1:]}."
    )
    parser.set_defaults(act=lambda _: parser.error("say what to do, such as: midway bench run --help"))
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    command = actions.add_parser(
        "run",
        help="measure",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(act=_run)
    command.add_argument("--list", action="store_true", help="list the workloads, and do nothing")
    command.add_argument("--device", metavar="NAME", help="as in /sys/bus/platform/devices")
    command.add_argument("--address", metavar="IP/PREFIX", help="the device's own on the network (IPv4)")
    command.add_argument("--peer", metavar="IP", help="who runs the servers, on that network")
    command.add_argument(
        "--modes",
        type=_words,
        default=DEFAULT_MODES,
        metavar="MODE,…",
        help=f"some of {', '.join(DEFAULT_MODES)} (the default), qemu",
    )
    command.add_argument(
        "--workloads", type=_words, metavar="NAME,…", help="default: all that the device can do"
    )
    command.add_argument("--repetitions", type=int, default=3, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--seconds", type=float, default=5, metavar="N", help="of each load; default: %(default)s"
    )
    command.add_argument("--iperf3-port", type=int, default=5201, metavar="N", help="default: %(default)s")
    command.add_argument("--sockperf-port", type=int, default=11111, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--kernel", type=Path, metavar="IMAGE", help="of the guests; default: the host's own in /boot"
    )
    command.add_argument(
        "--module",
        dest="modules",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a kernel module that the device needs in guests beside its own driver's; may be repeated",
    )
    command.add_argument(
        "--memory",
        type=int,
        default=1024,
        metavar="MIB",
        help="of a guest; default: %(default)s",
    )
    command.add_argument("--cpus", type=int, default=1, metavar="N", help="of a guest; default: %(default)s")
    command.add_argument("--json", type=Path, metavar="FILE", help="write the results, also of a part of it")
    bench_report.add_actions(actions)
    bench_vmm_cost.add_action(actions)


def run(arguments: argparse.Namespace) -> int:
    with orderly_termination():
        status: int = arguments.act(arguments)
    return status


def _run(arguments: argparse.Namespace) -> int:
    if arguments.list:
        return _list()
    if arguments.device is None:
        raise UsageError(
            "no device to measure", remedy="give --device NAME; `midway devices` lists the host's"
        )
    from midway.bench.measuring import measure
    from midway.bench.request import Request
    from midway.bench.table import runs_table
    from midway.cli.tables import console

    request = Request(
        device=arguments.device,
        address=arguments.address,
        peer=arguments.peer,
        modes=arguments.modes,
        workloads=arguments.workloads,
        repetitions=arguments.repetitions,
        seconds=arguments.seconds,
        iperf3_port=arguments.iperf3_port,
        sockperf_port=arguments.sockperf_port,
        kernel=arguments.kernel,
        module_files=tuple(arguments.modules),
        memory=arguments.memory,
        cpus=arguments.cpus,
    )
    with _progress() as progress:
        results = measure(request, command_line(), arguments.json, progress)
    console().print(runs_table(results.runs, emulated=results.machine.emulated))
    return 0


def _list() -> int:
    from midway.bench.workloads import WORKLOADS

    for workload in WORKLOADS:
        print(f"{workload.name:<16}{workload.kind:<9}{workload.tool or 'dmatest':<10}{workload.summary}")
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Says on standard error what is being done: one changing line on a terminal, else a line each."""
    if not sys.stderr.isatty():
        yield lambda text: print(f"midway: {text}", file=sys.stderr, flush=True)
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield status.update


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.split(",") if word)
