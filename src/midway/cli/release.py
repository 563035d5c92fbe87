# SPDX-License-Identifier: Apache-2.0
"""``midway release``: give claimed devices back to their own drivers, also after a Midway was killed."""

import argparse
import sys

from midway.errors import MidwayError, UsageError
from midway.host.claims import release, release_all

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "release",
        help="give a device back to its own driver",
        description="Give claimed devices back to the drivers they were taken from.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="as `midway devices` lists it")
    parser.add_argument("--all", action="store_true", help="everything that is claimed")


def run(arguments: argparse.Namespace) -> int:
    if bool(arguments.names) == arguments.all:
        raise UsageError("release needs the devices' names, or --all")
    outcome = release_all() if arguments.all else {name: _release(name) for name in arguments.names}
    for name, result in outcome.items():
        if isinstance(result, MidwayError):
            print(f"midway: {result}", file=sys.stderr)
        else:
            print(f"{name}: back with {result}" if result else f"{name}: has no driver, as before")
    if not outcome:
        print("nothing is claimed")
    return int(any(isinstance(result, MidwayError) for result in outcome.values()))


def _release(name: str) -> str | MidwayError | None:
    try:
        return release(name)
    except MidwayError as error:
        return error
