# SPDX-License-Identifier: Apache-2.0
"""Guests' nodes validated with dt-schema: ``python -m midway.measure.schema``.

The bindings are those that come with Debian's kernel source; dt-schema itself (``pip install dtschema``) is
wanted for this alone.  An error counts when the host's own node does not have it.  That a property or a node
is required which the plan left to the host, and named so, is no fault but the plan: these are counted apart.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from midway.errors import MidwayError, TreeError, UsageError
from midway.lab.progress import step
from midway.measure.bindings import Bindings, Decoded, SchemaError, load_bindings, node_at
from midway.measure.corpus import Board, boards_in, need_debian_boards
from midway.measure.packages import binding_schemas
from midway.measure.processes import spread
from midway.measure.readback import Guest, guests_of
from midway.passthrough.rules import RULES

__all__ = ["main", "new_errors"]

_COMMAND = "python -m midway.measure.schema"
_SEED = 2014
_SAID_EVERY = 50  # boards
_FOLLOWS = (
    "(follows from such)"  # a part of a schema does not hold, so that it does not know other properties
)
_FOR_CHILDREN = ("#address-cells", "#size-cells", "ranges")  # of a node whose children all stay with the host


@dataclass(slots=True)
class Findings:
    """`errors` are of guests' nodes alone, with a device that has it; `left` what is required and the
    plan left to the host, by name; `undecoded` says why dt-schema cannot read a board.
    """

    nodes: int = 0
    errors: Counter[SchemaError] = field(default_factory=Counter)
    examples: dict[SchemaError, str] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    undecoded: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Findings") -> None:
        self.nodes += other.nodes
        self.errors += other.errors
        self.examples = {**other.examples, **self.examples}
        self.left += other.left
        self.undecoded |= other.undecoded


def new_errors(guest: Guest, root: Decoded, bindings: Bindings) -> Iterator[tuple[SchemaError, str | None]]:
    """The errors of the guest's node that the host's (in `root`, its tree) lacks, and those of its stand-ins.

    With an error that is there only because of what the plan left to the host comes the name of that.
    """
    plan = guest.plans[0]
    decoded = bindings.decoded(guest.blob)
    buses = [name for name in decoded if name.startswith("platform")]
    places = ["/".join(("", bus, *plan.above, plan.node.name)) for bus in buses]
    copy = next(node for node in (node_at(decoded, place) for place in places) if node is not None)
    own = node_at(root, plan.device.node_path) or {}
    found = bindings.errors(copy, plan.node.name)
    known = bindings.errors(own, plan.device.node_path.rpartition("/")[2]) if found else frozenset()
    if found - known:
        left = _left_out(guest)
        restored = bindings.errors(_restored(own, copy, left), plan.node.name)
        yield from _with_cause(found - known, restored, [*left, *_children_left_out(own, copy)])
    for stand_in in plan.providers:
        yield from ((error, None) for error in bindings.errors(decoded[stand_in.name], stand_in.name))
    for pool in plan.pools:
        node = decoded["reserved-memory"][pool.name]
        yield from ((error, None) for error in bindings.errors(node, pool.name))
    theirs = _phandles(root)
    for name, phandle in bindings.references(copy):
        if phandle in theirs:
            yield SchemaError("a reference to nowhere", name, "the host's phandle is kept"), None


def _with_cause(
    found: Collection[SchemaError], restored: Collection[SchemaError], left: Collection[str]
) -> Iterator[tuple[SchemaError, str | None]]:
    """Errors that the node `restored` has no more come of what was left out, and of nothing else."""
    for error in found:
        if error in restored:
            yield error, None
        else:
            yield error, next((name for name in left if f"'{name}' is a" in error.words), _FOLLOWS)


def _left_out(guest: Guest) -> list[str]:
    """Properties that the plan leaves to the host, and those that only label or complete them."""
    plan = guest.plans[0]
    left = {decision.property for decision in plan.decisions if decision.policy is not None}
    if any(finding.code == "child-line" for finding in plan.findings):
        left |= {"interrupts", "interrupts-extended", "interrupt-names"}
    rules = [rule for rule in map(RULES.find, left) if rule is not None]
    belonging = {name for rule in rules for name in (*rule.companions, rule.labels) if name}
    return [*sorted(left), *sorted(belonging), *_FOR_CHILDREN]


def _children_left_out(own: Decoded, copy: Decoded) -> Iterator[str]:
    """Nodes below the host's that are not below the guest's: disabled ones, and devices of their own."""
    for name, value in own.items():
        if isinstance(value, dict):
            if name not in copy:
                yield name
            yield from _children_left_out(value, copy.get(name, {}))


def _restored(own: Decoded, copy: Decoded, left: Collection[str]) -> Decoded:
    """The guest's node with the properties `left`, and the children, that only the host's node has."""
    node = {name: value for name, value in own.items() if isinstance(value, dict) or name in left} | copy
    for name, value in own.items():
        if isinstance(value, dict) and name in copy:
            node[name] = _restored(value, copy[name], left)
    return node


def _phandles(node: Decoded) -> frozenset[int]:
    own = frozenset({node["phandle"]} if isinstance(node.get("phandle"), int) else ())
    return own.union(*(_phandles(below) for below in node.values() if isinstance(below, dict)))


def _findings_of(board: Board, bindings: Bindings) -> Findings:
    found = Findings()
    try:
        root = bindings.decoded(board.path.read_bytes())
    except TreeError as error:
        found.undecoded[board.name] = str(error.answer)
        return found
    for guest in guests_of(board):
        found.nodes += 1
        for fault, left in new_errors(guest, root, bindings):
            if left is not None:
                found.left[left] += 1
            else:
                found.errors[fault] += 1
                found.examples.setdefault(fault, f"{board.name}: {guest.plans[0].device.name}")
    return found


def main(words: Sequence[str] | None = None) -> int:
    """The command: exit status 1 when a guest's node has an error of its own, or a board cannot be read."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Validate guests' nodes with dt-schema.")
    parser.add_argument("--trees", type=Path, metavar="PATH", help="DTBs in place of Debian's arm64 boards")
    parser.add_argument("--schemas", type=Path, metavar="PATH", help="bindings in place of Debian's")
    parser.add_argument("--sample", type=int, metavar="N", help="validate the guests of N boards only")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default: 2)")
    arguments = parser.parse_args(words)
    try:
        boards = boards_in(arguments.trees or need_debian_boards()[1])
        if arguments.sample is not None:
            boards = _sample(boards, arguments.sample)
        if arguments.schemas:
            return _run(boards, arguments.schemas, arguments.jobs)
        with binding_schemas() as directory:
            return _run(boards, directory, arguments.jobs)
    except MidwayError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return error.exit_status


def _sample(boards: Sequence[Board], size: int) -> list[Board]:
    if not 1 <= size <= len(boards):
        raise UsageError(f"choosing {size} boards", answer=f"there are {len(boards)}")
    return random.Random(_SEED).sample(boards, size)  # noqa: S311  # no secret


def _run(boards: Sequence[Board], schemas: Path, jobs: int) -> int:
    start = time.monotonic()
    with step("reading the bindings' schemas"):
        bindings = load_bindings(schemas)
    total = Findings()
    work = partial(_findings_of, bindings=bindings)
    results = spread(work, _shares(boards, jobs), "validating boards")
    for count, found in enumerate(results, start=1):
        for fault in found.errors.keys() - total.errors.keys():
            print(f"midway: {': '.join(fault)}  ({found.examples[fault]})", file=sys.stderr, flush=True)
        total.add(found)
        if count % _SAID_EVERY == 0:
            print(f"midway: {count} of {len(boards)} boards", file=sys.stderr, flush=True)
    _print(total, len(boards), time.monotonic() - start)
    return 1 if total.errors or total.undecoded else 0


def _shares(boards: Sequence[Board], count: int) -> list[list[Board]]:
    """A vendor's boards stay together, for they have nodes in common; the largest are given out first."""
    shares: list[list[Board]] = [[] for _ in range(max(count, 1))]
    vendors = {board.vendor for board in boards}
    groups = [[board for board in boards if board.vendor == vendor] for vendor in vendors]
    for group in sorted(groups, key=lambda group: (-len(group), group[0].vendor)):
        min(shares, key=len).extend(group)
    return [share for share in shares if share]


def _print(total: Findings, boards: int, seconds: float) -> None:
    for error, count in total.errors.most_common():
        print(f"{count:6}  {': '.join(error)}  ({total.examples[error]})")
    print(f"{len(total.undecoded)} boards that dt-schema itself cannot decode")
    for name, why in sorted(total.undecoded.items()):
        print(f"        {name}: {why}")
    print(f"{total.left.total()} times something is required that the plan left to the host:")
    for name, count in total.left.most_common():
        print(f"{count:6}  {name}")
    print(f"{boards - len(total.undecoded)} boards, {total.nodes} guests' nodes,", end=" ")
    print(f"{total.errors.total()} errors that the host's node lacks, in {seconds:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
