# SPDX-License-Identifier: Apache-2.0
"""Work spread over a few processes that all begin with what this one has loaded."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import TypeVar

from midway.errors import HostError

__all__ = ["spread"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def spread(
    work: Callable[[_Item], _Result], shares: Sequence[Sequence[_Item]], attempted: str
) -> Iterator[_Result]:
    """The results of `work` as they come: a process for each share, which does one after the other.

    Raises HostError, after the other shares' results, where a process ended before its share was done.
    """
    fork = multiprocessing.get_context("fork")  # what was loaded is not copied, nor need it be sent
    processes: dict[Connection, ForkProcess] = {}
    for share in shares:
        here, there = fork.Pipe(duplex=False)
        process = fork.Process(target=_work, args=(work, share, there), daemon=True)
        process.start()
        there.close()
        processes[here] = process
    pending = {*processes}
    while pending:
        for connection in pending & {*wait(pending)}:
            try:
                yield connection.recv()
            except (EOFError, OSError):  # it has ended, or was killed in the middle of a result
                pending.remove(connection)
    for process in processes.values():
        process.join()
    failed = [process.exitcode for process in processes.values() if process.exitcode]
    if failed:
        raise HostError(attempted, answer=f"a process ended with status {failed[0]}")


def _work(work: Callable[[_Item], _Result], share: Sequence[_Item], there: Connection) -> None:
    for item in share:
        there.send(work(item))
    there.close()
