# SPDX-License-Identifier: Apache-2.0
"""``midway tree``: a device's node in the guest as source, and where each property comes from."""

import argparse
import json

from midway.cli.host_view import add_tree_option, host_view
from midway.passthrough.planner import assess_all
from midway.passthrough.verdict import Verdict, verdict
from midway.views.nodes import device_source
from midway.views.origins import origins

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "tree",
        help="show a device's node in the guest, and where each property comes from",
        description="The node that a guest gets for a device, with what it points to, as device tree source: "
        "a comment behind each property says where it comes from.  The guest's addresses and interrupts are "
        "those of a guest that has nothing but this device and those it has to be passed together with.",
        epilog="exit status: 0 when the device can be passed, 1 when it is refused.",
    )
    parser.add_argument("device", metavar="DEVICE", help="as `midway devices` lists it, or its node's path")
    add_tree_option(parser)
    parser.add_argument("--json", action="store_true", help="print the source and the origins as JSON")


def run(arguments: argparse.Namespace) -> int:
    view = host_view(arguments.tree)
    plans = assess_all(view.device(arguments.device), view.host)
    source = device_source(plans, view.host.tree)
    if arguments.json:
        found = [
            {"node": origin.node, "name": origin.name, "origin": origin.kind.value, "text": origin.text}
            for origin in origins(plans, view.host.tree)
        ]
        print(json.dumps({"device": plans[0].device.name, "source": source, "properties": found}, indent=2))
    else:
        print(source, end="")
    return 1 if verdict(plans[0].findings) is Verdict.REFUSED else 0
