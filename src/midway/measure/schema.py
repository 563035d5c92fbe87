# SPDX-License-Identifier: Apache-2.0
"""Guests' nodes validated with dt-schema: ``python -m midway.measure.schema``.

The bindings are those that come with Debian's kernel source; dt-schema itself (``pip install dtschema``) is
wanted for this alone.  An error counts when the host's own node does not have it.  That a property is
required which the plan left to the host, and named so, is no fault but the plan: these are counted apart.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from midway.errors import HostError, MidwayError, TreeError
from midway.measure.corpus import Board, boards_in, need_debian_boards
from midway.measure.packages import binding_schemas
from midway.measure.readback import Guest, guests_of

__all__ = ["main"]

_COMMAND = "python -m midway.measure.schema"
_SEED = 2014
_REQUIRED = ("required", "dependentRequired", "dependencies")
_Error = tuple[str, str, str]  # schema, property and what is wrong with it


class Bindings:
    """The schemas of a directory, or of one file that dt-mk-schema made of it.  Raises HostError."""

    def __init__(self, schemas: Path) -> None:
        try:
            # Optional, and without types: what checks the project does not have it installed.
            import dtschema  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            raise HostError("validating nodes", answer=str(error), remedy="pip install dtschema") from error
        self._validator: Any = dtschema.DTValidator([str(schemas)])

    def decoded(self, blob: bytes) -> dict[str, Any]:
        """The tree as dt-schema sees it.  Raises TreeError where it cannot make sense of it."""
        try:
            (root,) = self._validator.decode_dtb(blob)
        except KeyError as error:  # of properties for which two bindings have different types
            raise TreeError("decoding a tree with dt-schema", answer=f"it knows no {error}") from error
        return dict(root)

    def errors(self, node: dict[str, Any], name: str) -> set[_Error]:
        """What is wrong with one node and those below it."""
        seen = {**node, "$nodename": [name]}
        found = {
            _key(error)
            for error in self._validator.iter_errors(seen)
            if error.schema_file != "generated-compatibles"
        }
        for below, value in node.items():
            if isinstance(value, dict):
                found |= self.errors(value, below)
        return found


def _key(error: Any) -> _Error:
    words = str(error.message) if error.validator in _REQUIRED else str(error.validator)
    if error.context and all(inner.validator in _REQUIRED for inner in error.context):
        words = "; ".join(str(inner.message) for inner in error.context)
    path = [str(part) for part in error.absolute_path if not isinstance(part, int)]
    return str(error.schema_file), "/".join(path), words


def new_errors(guest: Guest, root: dict[str, Any], bindings: Bindings) -> Iterator[tuple[_Error, bool]]:
    """The errors of the guest's node that the host's lacks; True for a property that the plan left out."""
    plan = guest.plans[0]
    own = _at(root, plan.device.node_path)
    decoded = bindings.decoded(guest.blob)
    buses = [name for name in decoded if name.startswith("platform")]
    places = ["/".join(("", bus, *plan.above, plan.node.name)) for bus in buses]
    copy = next(node for node in (_at(decoded, place) for place in places) if node is not None)
    known = bindings.errors(own or {}, plan.device.node_path.rpartition("/")[2])
    left = {d.property for d in plan.decisions if d.policy is not None}
    if any(finding.code == "child-line" for finding in plan.findings):
        left |= {"interrupts", "interrupts-extended"}
    for error in bindings.errors(copy, plan.node.name) - known:
        yield error, any(f"'{name}' is a" in error[2] for name in _with_names(left))


def _with_names(properties: set[str]) -> set[str]:
    """Properties left out, and those that only label or complete them."""
    stems = {name.removesuffix("s") for name in properties}
    more = {f"{stem}-names" for stem in stems} | {"pinctrl-names", "#address-cells", "#size-cells"}
    return properties | more


def _at(root: dict[str, Any], path: str) -> dict[str, Any] | None:
    node: Any = root
    for name in path.split("/")[1:]:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None


def main(words: Sequence[str] | None = None) -> int:
    """The command: exit status 1 when a guest's node has an error of its own."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Validate guests' nodes with dt-schema.")
    parser.add_argument("--trees", type=Path, metavar="PATH", help="DTBs in place of Debian's arm64 boards")
    parser.add_argument("--schemas", type=Path, metavar="PATH", help="bindings in place of Debian's")
    parser.add_argument("--sample", type=int, metavar="N", help="validate the guests of N boards only")
    arguments = parser.parse_args(words)
    try:
        boards = boards_in(arguments.trees or need_debian_boards()[1])
        if arguments.sample:
            boards = random.Random(_SEED).sample(boards, arguments.sample)  # noqa: S311  # no secret
        if arguments.schemas:
            return _run(boards, Bindings(arguments.schemas))
        with binding_schemas() as directory:
            return _run(boards, Bindings(directory))
    except MidwayError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return error.exit_status


def _run(boards: Sequence[Board], bindings: Bindings) -> int:
    start = time.monotonic()
    nodes = left = 0
    faults: Counter[_Error] = Counter()
    examples: dict[_Error, str] = {}
    undecoded: list[str] = []
    for board in boards:
        try:
            root = bindings.decoded(board.path.read_bytes())
        except TreeError:
            undecoded.append(board.name)
            continue
        for guest in guests_of(board):
            nodes += 1
            for error, by_plan in new_errors(guest, root, bindings):
                left += by_plan
                if not by_plan:
                    faults[error] += 1
                    examples.setdefault(error, f"{board.name}: {guest.plans[0].device.name}")
    for error, count in faults.most_common():
        print(f"{count:6}  {': '.join(error)}  ({examples[error]})")
    print(f"{len(undecoded)} boards that dt-schema itself cannot decode: {', '.join(undecoded)}")
    print(f"{len(boards) - len(undecoded)} boards, {nodes} guests' nodes, {faults.total()} errors", end=" ")
    print(f"that the host's node lacks, and {left} required properties left to the host,", end=" ")
    print(f"in {time.monotonic() - start:.0f} s")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
