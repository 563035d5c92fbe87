# SPDX-License-Identifier: Apache-2.0
"""``midway doctor``: what this host has and lacks."""

import argparse
import json

from midway.cli.tables import print_table
from midway.host.readiness import Readiness, readiness

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "doctor",
        help="check what this host has and lacks",
        description="Check what this host has and lacks.  Exit status 0 when it can run a guest, else 1.",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


def run(arguments: argparse.Namespace) -> int:
    report = readiness()
    if arguments.json:
        print(json.dumps(_as_json(report), indent=2))
    else:
        _print(report)
    return 0 if report.can_run_guests else 1


def _as_json(report: Readiness) -> dict[str, object]:
    return {"can_run_guests": report.can_run_guests, "checks": [check.as_json() for check in report.checks]}


def _print(report: Readiness) -> None:
    print_table(
        ("", "CHECK", "FOUND", "REMEDY"),
        (
            (check.severity.value if check.severity else "ok", check.title, check.found, check.remedy)
            for check in report.checks
        ),
    )
    print("This host can run guests." if report.can_run_guests else "This host cannot run a guest.")
