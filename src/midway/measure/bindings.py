# SPDX-License-Identifier: Apache-2.0
"""Bindings as dt-schema (``pip install dtschema``) has them: trees decoded, and what is wrong in them."""

import contextlib
import io
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from midway.devicetree.node import Node
from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.errors import HostError, TreeError

__all__ = ["Bindings", "Decoded", "SchemaError", "load_bindings", "node_at"]

Decoded = dict[str, Any]  # a node as dt-schema sees it: values by property, nodes by name

_REQUIRED = ("required", "dependentRequired", "dependencies")
_REFERENCES = frozenset({"phandle", "phandle-array"})
# It only asks whether anybody has documented a compatible string, and takes a fifth of all the time.
_NOT_ASKED = "generated-compatibles"
# Of MMC controllers: pairs of millivolts, which it takes for a value of another size.
_MISTAKEN = ("voltage-ranges",)


class SchemaError(NamedTuple):
    """`schema` is its address, `place` the property, `words` what is required, or the rule that is broken."""

    schema: str
    place: str
    words: str


def load_bindings(schemas: Path) -> "Bindings":
    """Of a directory of schemas, or of one file that dt-mk-schema made of it.  Raises HostError."""
    try:
        import dtschema  # only here: most who measure do without
    except ImportError as error:
        raise HostError("validating nodes", answer=str(error), remedy="pip install dtschema") from error
    if not schemas.exists():  # of which the library would make a validator that finds nothing wrong
        raise HostError("validating nodes", answer=f"there is no {schemas}")
    with contextlib.redirect_stderr(io.StringIO()):  # what it has to say of the bindings themselves
        validator = dtschema.DTValidator([str(schemas)])
    _mend(validator.schemas)
    validator.always_schemas = [name for name in validator.always_schemas if name != _NOT_ASKED]
    return Bindings(validator)


def _decodable(blob: bytes) -> bytes:
    """The tree without properties whose values the library takes for something else, and gives up at."""
    if not any(name.encode() + b"\0" in blob for name in _MISTAKEN):
        return blob

    def strip(node: Node) -> None:
        for name in _MISTAKEN:
            node.properties.pop(name, None)
        for child in node.children:
            strip(child)

    root = read(blob)
    strip(root)
    return write(root)


def _mend(schema: Any) -> None:
    """In Linux 6.1 a binding refers to another as "#definitions/flag", which only older validators take."""
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str):
            schema["$ref"] = reference.replace("#definitions/", "#/definitions/")
    below = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for part in below:
        _mend(part)


class Bindings:
    """`validator` is a dtschema.DTValidator.

    What is wrong with a node is found once for all that differ in their phandles alone: boards of one SoC
    have most nodes in common.
    """

    def __init__(self, validator: Any) -> None:
        self._validator = validator
        self._known: dict[Hashable, frozenset[SchemaError]] = {}
        self._references: dict[str, bool] = {}

    def decoded(self, blob: bytes) -> Decoded:
        """The tree as dt-schema sees it.  Raises TreeError where it cannot make sense of it."""
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                (root,) = self._validator.decode_dtb(_decodable(blob))
        except (KeyError, IndexError, ValueError) as error:
            why = said.getvalue().strip().splitlines() or [repr(error)]
            raise TreeError("decoding a tree with dt-schema", answer=why[-1]) from error
        return dict(root)

    def errors(self, node: Decoded, name: str) -> frozenset[SchemaError]:
        """What is wrong with one node and those below it."""
        content = (name, self._content(node))
        if content not in self._known:
            seen = {**node, "$nodename": [name]}
            found = {_schema_error(error) for error in self._validator.iter_errors(seen)}
            for below, value in node.items():
                if isinstance(value, dict):
                    found |= self.errors(value, below)
            self._known[content] = frozenset(found)
        return self._known[content]

    def is_reference(self, name: str) -> bool:
        """Whether all bindings that know a property of this name take it for phandles."""
        if name not in self._references:
            types = self._validator.property_get_type(name) - {"node"}
            self._references[name] = bool(types) and types <= _REFERENCES
        return self._references[name]

    def references(self, node: Decoded) -> Iterator[tuple[str, int]]:
        """The properties that the bindings type as phandles with each of these, in the node and below it."""
        for name, value in node.items():
            if isinstance(value, dict):
                yield from self.references(value)
            elif isinstance(value, list) and self.is_reference(name):
                yield from ((name, entry[0]) for entry in value if isinstance(entry, list) and entry)

    def _content(self, node: Decoded) -> Hashable:
        return tuple(
            (name, self._content(value) if isinstance(value, dict) else self._value(name, value))
            for name, value in node.items()
            if name != "phandle"
        )

    def _value(self, name: str, value: Any) -> Hashable:
        if isinstance(value, list) and self.is_reference(name):
            return tuple(
                (bool(entry[0]), *entry[1:]) if isinstance(entry, list) and entry else repr(entry)
                for entry in value
            )
        return repr(value)


def _schema_error(error: Any) -> SchemaError:
    words = str(error.message) if error.validator in _REQUIRED else str(error.validator)
    if error.context and all(inner.validator in _REQUIRED for inner in error.context):
        words = "; ".join(str(inner.message) for inner in error.context)
    path = [str(part) for part in error.absolute_path if not isinstance(part, int)]
    return SchemaError(str(error.schema_file), "/".join(path), words)


def node_at(root: Decoded, path: str) -> Decoded | None:
    """The node with this path, None where there is none."""
    node: Any = root
    for name in path.split("/")[1:]:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else None
