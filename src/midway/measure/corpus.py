# SPDX-License-Identifier: Apache-2.0
"""Every device of many boards, planned: what Debian's kernel packages describe, or any directory of DTBs."""

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.interrupts import root_gic
from midway.devicetree.read import read
from midway.errors import LabError, MidwayError
from midway.findings import Finding, Severity
from midway.lab.cache import Cache
from midway.measure.census import Counted, census
from midway.passthrough.planner import Host, assess_all
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import Verdict, verdict

__all__ = ["Board", "Outcome", "Survey", "boards_in", "debian_boards", "plans_of", "survey"]


@dataclass(frozen=True, slots=True)
class Board:
    """One DTB; `vendor` is its directory in the kernel's tree, `name` its file's name without the end."""

    path: Path
    vendor: str
    name: str

    def tree(self) -> Tree:
        """Raises TreeError."""
        return Tree(read(self.path.read_bytes()))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one device.

    `counts`: it has registers and interrupts and is not the board's GIC, which is what a guest's is made of.
    """

    board: Board
    device: str
    compatible: tuple[str, ...]
    counts: bool
    is_gic: bool
    verdict: Verdict
    together: tuple[str, ...]
    refusals: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """`errors` are boards or devices for which planning raised an error; `seconds` is processor time.

    `census` counts nodes by what they state alone, whether they are devices or not.
    """

    boards: int
    outcomes: tuple[Outcome, ...]
    errors: tuple[str, ...]
    seconds: float
    census: Counter[Counted]

    def counted(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.counts]


def boards_in(directory: Path) -> list[Board]:
    """All DTBs below a directory, by name; the directory that one lies in names its vendor.

    Raises LabError where there are none.
    """
    found = [
        Board(path, path.parent.name if path.parent != directory else "", path.stem)
        for path in sorted(directory.rglob("*.dtb"))
    ]
    if not found:
        answer = "it has no .dtb" if directory.is_dir() else "there is no such directory"
        raise LabError(f"looking for boards in {directory}", answer=answer)
    return found


def debian_boards() -> tuple[str, Path] | None:
    """Debian's arm64 kernel release and the directory of its boards, where the lab's root is in the cache."""
    found = sorted(
        Cache().directory.glob("root-*/tree/usr/lib/linux-image-*"), key=lambda path: path.stat().st_mtime
    )
    return (found[-1].name.removeprefix("linux-image-"), found[-1]) if found else None


def need_debian_boards() -> tuple[str, Path]:
    """As `debian_boards`.  Raises LabError where there are none."""
    found = debian_boards()
    if found is None:
        raise LabError(
            "looking for Debian's boards", answer="the lab's root is not in the cache", remedy="midway lab up"
        )
    return found


def plans_of(tree: Tree) -> Iterator[tuple[DevicePlan, ...]]:
    """For every device its plan, and those of the devices that it is passed together with behind it."""
    devices = devices_of(tree)
    host = Host(tree, devices)
    for device in devices:
        yield assess_all(device, host)


def survey(boards: Sequence[Board]) -> Survey:
    """Plan every device of every board.  Only errors of Midway's own kind are caught."""
    outcomes: list[Outcome] = []
    errors: list[str] = []
    counts: Counter[Counted] = Counter()
    start = time.process_time()
    gc.freeze()
    for board in boards:
        try:
            tree = board.tree()
            found = [(plans[0].device.node_path, _outcome(board, tree, plans[0])) for plans in plans_of(tree)]
            passable = {
                path: outcome.verdict is not Verdict.REFUSED for path, outcome in found if not outcome.is_gic
            }
            counts += census(tree, passable)
            outcomes += (outcome for _, outcome in found)
        except MidwayError as error:
            errors.append(f"{board.vendor}/{board.name}: {error}")
    return Survey(len(boards), tuple(outcomes), tuple(errors), time.process_time() - start, counts)


def _outcome(board: Board, tree: Tree, plan: DevicePlan) -> Outcome:
    device = plan.device
    is_gic = root_gic(tree, device.node_path) is not None
    return Outcome(
        board,
        device.name,
        device.compatible,
        bool(device.lines) and not is_gic,
        is_gic,
        verdict(plan.findings),
        plan.together,
        tuple(finding for finding in plan.findings if finding.severity is Severity.REFUSAL),
    )
