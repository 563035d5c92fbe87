# SPDX-License-Identifier: Apache-2.0
"""Guests' nodes against bindings, which a stand-in for dt-schema's validator states here in a few lines."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from midway.devicetree.node import Node
from midway.devicetree.values import cell_list
from midway.devicetree.write import write
from midway.errors import HostError, TreeError
from midway.measure.bindings import Bindings, SchemaError, load_bindings, node_at
from midway.measure.corpus import Board
from midway.measure.processes import spread
from midway.measure.readback import guests_of
from midway.measure.schema import new_errors
from unit.dts import compiled

BOARD = """
/dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
  osc: osc { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };
  cmu: cmu { #reset-cells = <1>; };
  d@10000 { compatible = "x"; reg = <0 0x10000 0 0x1000>; clocks = <&osc>; resets = <&cmu 1>;
            assigned-clocks = <&osc>; assigned-clock-rates = <1>; vendor,unheard-of = <&cmu>;
            port { status = "disabled"; }; };
};
"""


def error(schema: str, validator: str, message: str) -> SimpleNamespace:
    return SimpleNamespace(
        schema_file=schema, validator=validator, message=message, context=(), absolute_path=()
    )


class Validator:
    """Wants `needed` of every node "d", wants no property `unwanted`, and counts how often it is asked."""

    def __init__(self, needed: tuple[str, ...] = (), unwanted: str = "") -> None:
        self.needed = needed
        self.unwanted = unwanted
        self.asked = 0

    def decode_dtb(self, blob: bytes) -> list[dict[str, Any]]:
        from midway.devicetree.read import read

        return [self._decoded(read(blob))]

    def _decoded(self, node: Node) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in node.properties.items():
            if name == "phandle":
                (found[name],) = cell_list(node, name)
            else:
                found[name] = [list(cell_list(node, name))] if len(value) % 4 == 0 else value
        return {**found, **{child.name: self._decoded(child) for child in node.children}}

    def property_get_type(self, name: str) -> set[str]:
        return {"phandle-array"} if name in ("clocks", "resets", "vendor,unheard-of") else set()

    def iter_errors(self, node: dict[str, Any]) -> Iterator[SimpleNamespace]:
        self.asked += 1
        if not node["$nodename"][0].startswith("d@"):
            return
        for name in self.needed:
            if name not in node:
                yield error("d.yaml", "required", f"{name!r} is a required property")
        if self.unwanted in node:
            yield error("d.yaml", "additionalProperties", "one too many")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    file = tmp_path / "board.dtb"
    file.write_bytes(write(compiled(BOARD)))
    return Board(file, "vendor", "board")


def found(board: Board, validator: Validator) -> set[tuple[SchemaError, str | None]]:
    bindings = Bindings(validator)
    (guest,) = guests_of(board)
    errors = {*new_errors(guest, bindings.decoded(board.path.read_bytes()), bindings)}
    return {(fault, left) for fault, left in errors if fault.schema == "d.yaml"}


def test_what_the_host_has_wrong_as_well_does_not_count(board: Board) -> None:
    assert found(board, Validator(needed=("label",), unwanted="reg")) == set()


@pytest.mark.parametrize(
    ("needed", "what"),
    [
        ("resets", "resets"),
        ("assigned-clock-rates", "assigned-clock-rates"),
        ("port", "port"),
    ],
)
def test_what_the_plan_left_to_the_host_is_told_by_its_name(board: Board, needed: str, what: str) -> None:
    missing = SchemaError("d.yaml", "", f"'{needed}' is a required property")
    assert found(board, Validator(needed=("clocks", needed))) == {(missing, what)}


def test_an_error_that_follows_from_what_the_plan_left_to_the_host_is_told_as_such(board: Board) -> None:
    class Following(Validator):
        def iter_errors(self, node: dict[str, Any]) -> Iterator[SimpleNamespace]:
            if node["$nodename"][0].startswith("d@") and "resets" not in node:
                yield error("d.yaml", "unevaluatedProperties", "what else there is was unexpected")

    unevaluated = SchemaError("d.yaml", "", "unevaluatedProperties")
    assert (unevaluated, "(follows from such)") in found(board, Following())


def test_what_the_plan_did_not_leave_to_the_host_is_an_error_when_it_is_missing(board: Board) -> None:
    class Careless(Validator):
        def iter_errors(self, node: dict[str, Any]) -> Iterator[SimpleNamespace]:
            if node["$nodename"] == ["d@100000"]:
                yield error("d.yaml", "required", "'resets' is a required property")

    assert {left for _, left in found(board, Careless())} == {None}


def test_an_error_of_the_guests_own_is_told(board: Board) -> None:
    class Strict(Validator):
        def iter_errors(self, node: dict[str, Any]) -> Iterator[SimpleNamespace]:
            if node["$nodename"] == ["d@100000"]:  # where the guest has it
                yield error("d.yaml", "pattern", "no such name")

    assert found(board, Strict()) == {(SchemaError("d.yaml", "", "pattern"), None)}


def test_a_reference_that_kept_the_hosts_phandle_is_told(board: Board) -> None:
    bindings = Bindings(Validator())
    (guest,) = guests_of(board)
    root = bindings.decoded(board.path.read_bytes())
    (fault, left) = next(iter(new_errors(guest, root, bindings)))
    assert (fault.place, fault.words, left) == ("vendor,unheard-of", "the host's phandle is kept", None)


def test_nodes_that_differ_in_phandles_alone_are_validated_once() -> None:
    validator = Validator()
    bindings = Bindings(validator)
    for phandle in (1, 2):
        bindings.errors({"phandle": phandle, "clocks": [[phandle + 5, 3]], "reg": [[0, 1]]}, "d@0")
    assert validator.asked == 1
    bindings.errors({"clocks": [[7, 4]], "reg": [[0, 1]]}, "d@0")
    bindings.errors({"clocks": [[0, 3]], "reg": [[0, 1]]}, "d@0")
    assert validator.asked == 3


def test_nodes_below_are_validated_as_well() -> None:
    bindings = Bindings(Validator(needed=("label",)))
    assert {fault.words for fault in bindings.errors({"d@1": {"d@2": {}}}, "top")} == {
        "'label' is a required property"
    }


def test_a_tree_that_dt_schema_cannot_decode_is_an_error_of_the_trees() -> None:
    class Lost(Validator):
        def decode_dtb(self, blob: bytes) -> list[dict[str, Any]]:
            raise KeyError(f"uint23 in {len(blob)} bytes")

    with pytest.raises(TreeError, match="uint23"):
        Bindings(Lost()).decoded(b"")


def test_a_node_is_found_by_its_path_or_not_at_all() -> None:
    root = {"a": {"b": {"c": 1}}}
    assert node_at(root, "/a/b") == {"c": 1}
    assert node_at(root, "/a/b/c") is node_at(root, "/x") is None


def test_shares_are_worked_on_by_processes_and_all_results_come() -> None:
    mine = os.getpid()
    results = [*spread(lambda item: (item, os.getpid()), [[1, 2], [3]], "counting")]
    assert {item for item, _ in results} == {1, 2, 3}
    assert mine not in {process for _, process in results}


def test_a_process_that_ends_early_is_an_error_behind_the_results_of_the_others() -> None:
    def work(item: int) -> int:
        if item == 2:
            os._exit(3)
        return item

    results = spread(work, [[2], [1]], "counting")
    assert next(results) == 1
    with pytest.raises(HostError, match="counting: a process ended with status 3"):
        next(results)


def test_a_property_that_the_library_mistakes_costs_no_board_its_check() -> None:
    class Mistaken(Validator):
        def decode_dtb(self, blob: bytes) -> list[dict[str, Any]]:
            if b"voltage-ranges" in blob:
                raise ValueError("voltage-ranges")
            return super().decode_dtb(blob)

    blob = write(Node("", {}, [Node("d", {"voltage-ranges": bytes(8), "reg": bytes(4)})]))
    assert Bindings(Mistaken()).decoded(blob) == {"d": {"reg": [[0]]}}


def test_bindings_that_are_not_there_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dtschema", SimpleNamespace())
    with pytest.raises(HostError, match="there is no"):
        load_bindings(tmp_path / "nowhere")
