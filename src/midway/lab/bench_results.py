# SPDX-License-Identifier: Apache-2.0
"""Results of several boards as one."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from midway.bench.results import Results, Run
from midway.errors import LabError
from midway.lab.bench import NIC, Gathered

__all__ = ["merged"]


def merged(gathered: Gathered, *, command: str, begun: datetime, took: float, emulator: str) -> Results:
    """`begun` and `took` (seconds) are of all of it; `emulator` is the version of what the boards run on.

    The machine is the first part's.  Raises LabError when no part measured anything.
    """
    if not gathered.parts:
        raise LabError("measuring on emulated boards", answer="; ".join(gathered.failures))
    machine = gathered.parts[0].machine
    versions = {name: version for part in gathered.parts for name, version in part.machine.versions.items()}
    return Results(
        command=command,
        begun=begun.isoformat(timespec="seconds"),
        took_s=round(took, 3),
        device=NIC,
        machine=msgspec.structs.replace(machine, versions={**versions, "emulator": emulator}),
        runs=_in_order([part.runs for part in gathered.parts]),
        vmm_costs=gathered.vmm_costs,
        scale=gathered.scale,
        notes=tuple(
            dict.fromkeys(
                (
                    *gathered.notes,
                    *(note for part in gathered.parts for note in part.notes),
                    *(f"failed: {failure}" for failure in gathered.failures),
                )
            )
        ),
    )


def _in_order(parts: Sequence[Sequence[Run]]) -> tuple[Run, ...]:
    """All runs, one part behind the other, numbered anew."""
    runs = [run for part in parts for run in part]
    return tuple(msgspec.structs.replace(run, order=order) for order, run in enumerate(runs))
