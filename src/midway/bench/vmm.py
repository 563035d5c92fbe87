# SPDX-License-Identifier: Apache-2.0
"""What a benchmark wants of a virtual machine monitor, whichever it is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from midway.bench.guest_process import GuestProcess

__all__ = ["ExactCounts", "GuestSetup", "GuestVmm", "RunningGuest"]


@dataclass(frozen=True, slots=True)
class GuestSetup:
    """One guest: the same for every VMM.  `memory` is in MiB.

    `command_line` is the kernel's, without a console: that is the VMM's to add where its device tree does not
    name it.  Files that the VMM wants to write go into `scratch`, which is gone after the guest.
    """

    kernel: Path
    initrd: Path
    command_line: str
    memory: int
    cpus: int
    device: str
    scratch: Path


@dataclass(frozen=True, slots=True)
class ExactCounts:
    """Of one load from its first to its last instruction: nothing of the talk on the console is in them."""

    exits: int
    user_exits: int
    exits_by_kind: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunningGuest:
    """`exact` gives, once the process has ended by itself, one ExactCounts for each load in their order; None
    for a VMM that cannot count so.
    """

    process: GuestProcess
    exact: Callable[[], tuple[ExactCounts, ...]] | None = None


class GuestVmm(Protocol):
    """`mode` names it in the results."""

    @property
    def mode(self) -> str: ...

    def start(self, setup: GuestSetup) -> AbstractContextManager[RunningGuest]:
        """The guest runs while the block does; then the device is back with its own driver in any case.

        Raises any MidwayError.
        """
        ...
