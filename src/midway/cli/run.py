# SPDX-License-Identifier: Apache-2.0
"""``midway run``: a VM from start to end."""

import argparse
import os
import sys
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from enum import Enum, auto
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from midway.cli import say
from midway.cli.collector import no_collections
from midway.cli.help import HelpFormatter
from midway.cli.vm_options import add_vm_options, config_from
from midway.errors import MidwayError, UsageError
from midway.host.signals import heard_by
from midway.kernel.syscalls import Linux
from midway.vm.console import Console
from midway.vm.outcome import End, Outcome
from midway.vm.prepare import check_architecture, open_machine

if TYPE_CHECKING:
    from midway.board.plan import MachinePlan
    from midway.kernel.instructions import InstructionCounters
    from midway.vm.machine import Machine
    from midway.vm.summary import RunSummary

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Run a VM.  Its devices are taken from their drivers, and given back at the end, whatever the end.
Standard input and output are the guest's console.  On a terminal Ctrl-C stops the VM; Ctrl-A c sends a Ctrl-C
to the guest, Ctrl-A x stops the VM too, and Ctrl-A Ctrl-A sends a Ctrl-A.
"""
_EPILOG = """\
exit status: 0 the guest powered off, 1 an error before it ran or in giving a device back, 2 usage, 3 the
guest asked for a reset (start it again), 4 its kernel panicked, 5 KVM could not go on, 128 + n stopped by
signal n.
"""
_STANDARD_ERROR = "-"  # as the plan's file
_LONGEST_WAIT = 1.0  # seconds for which a signal may be unheard


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "run",
        help="run a VM",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    add_vm_options(parser)
    parser.add_argument(
        "--dump-dtb", type=Path, metavar="FILE", help="write the guest's device tree, then go on"
    )
    parser.add_argument(
        "--dump-plan",
        nargs="?",
        const=_STANDARD_ERROR,
        metavar="FILE",
        help="write the plan as JSON (to standard error without FILE), then go on",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what happened as JSON at the end")
    parser.add_argument(
        "--count-instructions",
        action="store_true",
        help="at every mark, record how many instructions the host's processors have executed",
    )


def run(arguments: argparse.Namespace) -> int:
    config = config_from(arguments)
    _check_places(arguments)
    calls = Linux()
    stopping = _Stopping()
    summary: RunSummary | None = None
    known = 0
    try:
        with heard_by(stopping.requested), ExitStack() as resources:
            source, target = _standard_files()
            is_terminal = source is not None and os.isatty(source)
            with no_collections():
                console = resources.enter_context(
                    Console(calls, target, source, escaped=stopping.stop if is_terminal else None)
                )
                counters = resources.enter_context(_counters(arguments, calls))
                machine = resources.enter_context(
                    open_machine(config, console, calls=calls, planned=lambda plan: _planned(arguments, plan))
                )
                resources.callback(stopping.end)  # the first to be undone: what follows is all the ending
                if counters is not None:
                    machine.instructions = counters.read
                if source is not None and is_terminal:
                    from midway.vm.terminal import as_console

                    resources.enter_context(as_console(source))
                stopping.start(machine)
            stopping.wait(machine)
            summary = machine.summary()
            known = len(machine.plan.findings)
    except _Interrupted as interrupted:
        return 128 + interrupted.number
    except MidwayError:
        if summary is not None:  # a device could not be given back: how the guest ended is known all the same
            _report(arguments, summary, known)
        raise
    _report(arguments, summary, known)
    return summary.outcome.exit_status


def _counters(
    arguments: argparse.Namespace, calls: Linux
) -> "AbstractContextManager[InstructionCounters | None]":
    if not arguments.count_instructions:
        return nullcontext()
    from midway.kernel.instructions import InstructionCounters

    check_architecture()  # before a system call by its number there
    return InstructionCounters(calls)


def _standard_files() -> tuple[int | None, int]:
    """Where the console's input comes from, None where it was closed, and where its output goes."""
    if sys.__stdout__ is None:  # and not what `main` put in its place
        raise UsageError("standard output is closed, and it is the guest's console", remedy="try >/dev/null")
    return None if sys.stdin is None else sys.stdin.fileno(), sys.stdout.fileno()


class _Phase(Enum):
    PREPARING = auto()
    RUNNING = auto()
    ENDING = auto()


class _Interrupted(BaseException):
    """A signal asked to stop before the guest ran."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class _Stopping:
    """What a request to stop does: undo what was prepared, stop the guest, or nothing when all is ending."""

    def __init__(self) -> None:
        self._phase = _Phase.PREPARING
        self._machine: Machine | None = None

    def start(self, machine: "Machine") -> None:
        self._machine = machine
        self._phase = _Phase.RUNNING
        machine.start()

    def wait(self, machine: "Machine") -> None:
        """For the machine's end."""
        # Python runs a signal's handler when a wait is over, also that of one that came right before it.
        while machine.wait(_LONGEST_WAIT) is None:
            pass
        self.end()

    def end(self) -> None:
        self._phase = _Phase.ENDING

    def stop(self, signal_number: int = 0) -> None:
        if self._machine is not None:
            self._machine.stop(Outcome(End.STOPPED, signal=signal_number))

    def requested(self, number: int, _: FrameType | None) -> None:
        if self._phase is _Phase.PREPARING:
            self._phase = _Phase.ENDING
            raise _Interrupted(number)
        if self._phase is _Phase.RUNNING:
            self.stop(number)


def _planned(arguments: argparse.Namespace, plan: "MachinePlan") -> None:
    for finding in plan.findings:
        say(finding)
    if arguments.dump_dtb is not None:
        _write(arguments.dump_dtb, plan.tree)
    if arguments.dump_plan is not None:
        import json

        from midway.board.describe import plan_as_json

        text = json.dumps(plan_as_json(plan), indent=2) + "\n"
        if arguments.dump_plan == _STANDARD_ERROR:
            sys.stderr.write(text)
        else:
            _write(Path(arguments.dump_plan), text)


def _report(arguments: argparse.Namespace, summary: "RunSummary", known: int) -> None:
    """What happened; of the findings the first `known` were printed when the VM was planned."""
    with suppress(BrokenPipeError):  # that nobody reads it does not change how the guest ended
        # Split at newlines only: the rest of a panic's message is the guest's own text.
        for line in (*str(summary).split("\n"), *summary.findings[known:]):
            say(line)
    if arguments.json is not None:
        import json

        _write(arguments.json, json.dumps(summary.as_json()) + "\n")


def _check_places(arguments: argparse.Namespace) -> None:
    """What a run would only find out at its end is said before any device is touched."""
    places = (arguments.dump_dtb, arguments.dump_plan, arguments.json)
    given = [Path(place) for place in places if place not in (None, _STANDARD_ERROR)]
    if given:
        from midway.output import check_writable

        check_writable(*given)


def _write(path: Path, content: str | bytes) -> None:
    from midway.output import write_file  # only here: most runs write none

    write_file(path, content)
