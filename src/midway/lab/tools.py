# SPDX-License-Identifier: Apache-2.0
"""The programs of this machine that the lab calls, and the Debian packages that bring them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from midway.errors import LabError
from midway.host.driver import TOOL_PATH

__all__ = ["HostTool", "host_tools", "missing_tool", "run_tool"]

_TABLE = Path(__file__).with_name("host-packages.txt")


@dataclass(frozen=True, slots=True)
class HostTool:
    """A program (or, with a slash, a file) that has to be there, and the package that brings it."""

    package: str
    program: str

    @property
    def present(self) -> bool:
        if "/" in self.program:
            return Path(self.program).exists()
        return shutil.which(self.program, path=TOOL_PATH) is not None


def host_tools() -> list[HostTool]:
    """All that the project needs of this machine's packages, from host-packages.txt."""
    rows = [line.split() for line in _TABLE.read_text().splitlines() if line and not line.startswith("#")]
    return [HostTool(package, program) for package, program in rows]


def run_tool(command: Sequence[str | Path], attempted: str, *, cwd: Path | None = None) -> str:
    """Run a program to its end; its standard output.

    Raises LabError, which says what was `attempted`, with the program's last words or the package to install.
    """
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"PATH": TOOL_PATH},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise missing_tool(str(command[0]), attempted) from error
    if done.returncode:
        last = "; ".join([line for line in done.stderr.splitlines() if line.strip()][-3:])
        raise LabError(attempted, answer=f"{command[0]} exits with {done.returncode}: {last}")
    return done.stdout


def missing_tool(program: str, attempted: str) -> LabError:
    packages = [tool.package for tool in host_tools() if tool.program == program]
    remedy = f"apt-get install {packages[0]}" if packages else None
    return LabError(attempted, answer=f"{program} is not installed", remedy=remedy)
