# SPDX-License-Identifier: Apache-2.0
"""Doing what a request asks, and keeping what was measured whatever happens."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from midway.bench.host_machine import host_machine, is_emulated
from midway.bench.modes import QEMU as QEMU_MODE
from midway.bench.programs import program_path
from midway.bench.qemu_guest import QEMU
from midway.bench.request import Request, experiment_of
from midway.bench.results import Results, Run, save
from midway.errors import HostError, MidwayError
from midway.host.platform import Platform

__all__ = ["measure"]


def measure(
    request: Request, command: str, json: Path | None, progress: Callable[[str], None] = lambda _: None
) -> Results:
    """All runs.  `command` is what the user typed.

    What is measured when it ends early is in `json` all the same.  Raises any MidwayError; what goes wrong
    in one mode of one repetition only when all others are measured.
    """
    platform = Platform()
    emulated = is_emulated(platform.tree)
    experiment = experiment_of(request, platform, is_emulated=emulated)
    programs = [load.tool for load in experiment.workloads if load.tool]
    if QEMU_MODE in experiment.modes:
        programs.append(QEMU)
    tools = dict.fromkeys(map(program_path, programs))
    machine = host_machine(platform.tree, tools, emulated=emulated)
    begun, clock = datetime.now(UTC), time.monotonic()
    runs: list[Run] = []

    def results(*notes: str) -> Results:
        return Results(
            command=command,
            begun=begun.isoformat(timespec="seconds"),
            took_s=round(time.monotonic() - clock, 3),
            device=request.device,
            machine=machine,
            runs=tuple(runs),
            notes=notes,
        )

    if json is not None:
        save(results("not ended"), json)  # a file that cannot be written is said before anything is measured
    failures: list[MidwayError] = []
    try:
        for run in experiment.runs(progress, failures.append):
            runs.append(run)
    except BaseException:
        if json is not None:
            save(results("ended early"), json)
        raise
    final = results(*(f"failed: {failure}" for failure in failures))
    if json is not None:
        save(final, json)
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        raise HostError("measuring all of it", answer=f"{failures[0]}{more}")
    return final
