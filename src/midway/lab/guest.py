# SPDX-License-Identifier: Apache-2.0
"""Small guests with one task, run by `midway run` on an emulated board.

A guest is Debian's own kernel and an initramfs of busybox, the modules its devices need, and a shell script:
the task.  The task reports through ``say NAME VALUE`` and has ``mark N``, ``interrupts PATTERN`` and
``registers NODE`` at hand (see onboard/guest-init.sh).  The guest's console is Midway's own trapped UART,
which drops nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from midway.board.initramfs import COMMAND_LINE, build_initramfs
from midway.errors import LabError

_SAID = re.compile(r"^midway-guest: ([a-z0-9_]+)=(.*?)\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GuestTask:
    """`script` is for busybox's shell; `modules` are names of the guest kernel's modules, loaded first."""

    script: str
    modules: Sequence[str] = ()
    append: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)

    def initramfs(self, root: Path, kernel_release: str) -> bytes:
        init = files("midway.lab.onboard").joinpath("guest-init.sh").read_text()
        return build_initramfs(
            root, kernel_release, self.modules, init, {"/task": self.script.encode(), **self.files}
        )

    @property
    def command_line(self) -> str:
        return f"{COMMAND_LINE} {self.append}".rstrip()


@dataclass(frozen=True, slots=True)
class GuestReport:
    """What became of a guest: `midway run`'s exit status, its summary, and what the task said."""

    status: int
    said: Mapping[str, str]
    summary: Mapping[str, Any]
    console: str
    errors: str

    def value(self, name: str) -> str:
        """What the task said of `name`; LabError with the console's end when it said nothing."""
        if name not in self.said:
            raise LabError(
                f"the guest did not report {name}",
                answer=f"status {self.status}; {self.errors.strip()[-400:]}; console: {self.console[-1500:]}",
            )
        return self.said[name]

    def interval(self, first: int, second: int) -> Mapping[str, Any]:
        """Seconds, exits, user_exits and interrupts between two marks that follow each other."""
        for interval in self.summary.get("intervals", ()):
            if (interval["from"], interval["to"]) == (first, second):
                return dict(interval)
        raise LabError(f"the guest made no marks {first} and {second}", answer=self.console[-800:])


def said(console: str) -> dict[str, str]:
    """The results in a guest's console output, the last of each name."""
    return dict(_SAID.findall(console))
