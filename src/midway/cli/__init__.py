# SPDX-License-Identifier: Apache-2.0
"""The command ``midway``: one module per subcommand, of which only the chosen one is imported.

A command's module offers ``add_parser(subparsers)``, which declares the command and its arguments, and
``run(arguments) -> int``, which does it and returns the exit status.
"""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeAlias, cast

from midway.cli.collector import no_collections
from midway.cli.help import HelpFormatter
from midway.errors import MidwayError

__all__ = ["COMMANDS", "main", "say"]

COMMANDS = {
    "devices": "list this host's platform devices",
    "explain": "say why a device can or cannot be passed to a guest",
    "tree": "show a device's node in the guest, and where each property comes from",
    "plan": "show what running a VM would do, without doing it",
    "claim": "take a device from its driver, for VFIO",
    "release": "give a device back to its own driver",
    "doctor": "check what this host has and lacks",
    "run": "run a VM",
    "mode": "show or change the interrupt mode of a running VM's device",
    "trace": "record and draw the life of a passed device's interrupts",
    "bench": "measure a device natively and in guests, with the same tools",
    "driver": "build, install or inspect the vfio-forward driver",
    "lab": "run commands on emulated Arm boards",
}
_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


_Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class _Command(Protocol):
    def add_parser(self, subparsers: _Subparsers) -> object: ...
    def run(self, arguments: argparse.Namespace) -> int: ...


def _parser(command: _Command | None) -> argparse.ArgumentParser:
    """The parser: of this command alone where there is one, else of them all, without their arguments.

    Each of argparse's parsers costs as much as importing a module.
    """
    parser = argparse.ArgumentParser(
        prog="midway",
        description="Gives a platform device of an Arm host to a KVM guest, and hands it back.",
        formatter_class=HelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    if command:
        command.add_parser(subparsers)
    else:
        for name, summary in COMMANDS.items():
            subparsers.add_parser(name, help=summary, add_help=False)
    return parser


def _load(chosen: str | None) -> _Command | None:
    if chosen not in COMMANDS:
        return None  # the parser will say so
    with no_collections():
        return cast(_Command, importlib.import_module(f"midway.cli.{chosen}"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status.  Errors become one line unless MIDWAY_DEBUG is set in the
    environment.
    """
    _open_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # whatever the locale can spell
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        command = _load(given[0] if given else None)
        arguments = _parser(command).parse_args(given)
        status = command.run(arguments) if command else 0
        sys.stdout.flush()
    except MidwayError as error:
        if os.environ.get("MIDWAY_DEBUG"):
            raise
        say(error)
        return error.exit_status
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough.  Python flushes standard output once more at exit; that must not fail
        # again.
        _drop_output()
        return 1
    except OSError as error:
        if os.environ.get("MIDWAY_DEBUG"):
            raise
        say(error)
        _drop_output()
        return 1
    return status


def _open_closed() -> None:
    """What the caller closed takes everything and keeps nothing.

    Not even print() could do without: for standard error it would take standard output instead, which may be
    a guest's.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as the process


def say(message: object) -> None:
    """Tell the user on standard error, without control characters: a device tree's strings can be in it."""
    text = str(message)
    if not text.isprintable():
        from midway.cli.tables import printable  # only here: most messages have nothing of the kind

        text = printable(text)
    print(f"midway: {text}", file=sys.stderr)


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
