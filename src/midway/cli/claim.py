# SPDX-License-Identifier: Apache-2.0
"""``midway claim``: take devices from their drivers, for any VFIO user, until ``midway release``."""

import argparse

from midway.cli.termination import orderly_termination
from midway.host.claims import claim_lasting

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "claim",
        help="take a device from its driver, for VFIO",
        description="Take devices from their drivers for VFIO, all or none, until `midway release`.",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help="as `midway devices` lists it")
    parser.add_argument("--force", action="store_true", help="also what the host is using")


def run(arguments: argparse.Namespace) -> int:
    with orderly_termination():
        claims = claim_lasting(arguments.names, force=arguments.force)
    for claim in claims:
        source = f"from {claim.previous}" if claim.previous else "from no driver"
        print(f"{claim.name}: {source} to {claim.driver}, {claim.group.node}")
    return 0
