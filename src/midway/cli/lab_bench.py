# SPDX-License-Identifier: Apache-2.0
"""``midway lab bench``."""

import time
from datetime import UTC, datetime
from pathlib import Path

from midway.bench.report import write_report
from midway.bench.results import Results, save
from midway.bench.table import runs_table
from midway.cli.tables import console
from midway.errors import LabError
from midway.lab.bench import FULL, QUICK, Gathered, gather
from midway.lab.bench_results import merged
from midway.lab.status import emulator_version
from midway.output import check_writable, command_line, make_directory

__all__ = ["bench"]


def bench(output: Path, json: Path | None, *, quick: bool, debug: bool) -> int:
    """Measure, and leave in the directory `output` what was measured, also when a part failed.

    Raises LabError for that, at the end.
    """
    begun, clock = datetime.now(UTC), time.monotonic()
    emulator = emulator_version() or "missing"

    def results(gathered: Gathered) -> Results:
        return merged(
            gathered,
            command=command_line(),
            begun=begun,
            took=time.monotonic() - clock,
            emulator=emulator,
        )

    def keep(gathered: Gathered) -> None:
        if gathered.parts:
            for path in (output / "results.json", *([json] if json else [])):
                save(results(gathered), path)

    check_writable(json)
    make_directory(output)
    check_writable(output / "results.json", output / "report.html")
    gathered = gather(QUICK if quick else FULL, keep, debug=debug)
    final = results(gathered)
    console().print(runs_table(final.runs, emulated=True))
    write_report(final, output)
    print(f"{output / 'report.html'} after {final.took_s:.0f} s")
    if gathered.failures:
        raise LabError("not all was measured", answer="; ".join(gathered.failures))
    return 0
