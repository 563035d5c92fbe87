# SPDX-License-Identifier: Apache-2.0
"""Reading and writing flattened trees; dtc is the oracle."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midway.devicetree.node import Node, cells, cells64, strings
from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.errors import TreeError
from unit.dts import BOARD, compiled, decompiled

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789,._+-@", min_size=1, max_size=12)
PROPERTIES = st.dictionaries(NAMES, st.binary(max_size=40), max_size=4)


def nodes(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.builds(
        Node, NAMES, PROPERTIES, st.lists(children, max_size=3, unique_by=lambda node: node.name)
    )


TREES = st.builds(
    Node,
    st.just(""),
    PROPERTIES,
    st.lists(
        st.recursive(st.builds(Node, NAMES, PROPERTIES), nodes, max_leaves=8),
        max_size=4,
        unique_by=lambda node: node.name,
    ),
)


def test_a_compiled_tree_is_read_in_its_order() -> None:
    root = compiled('/dts-v1/; / { b = <1 2>; a = "x", "y"; two { }; one@1 { empty; }; };')
    assert list(root.properties.items()) == [("b", cells(1, 2)), ("a", strings("x", "y"))]
    assert [child.name for child in root.children] == ["two", "one@1"]
    assert root.children[1].properties == {"empty": b""}


def test_a_written_tree_is_to_dtc_what_it_was_read_from() -> None:
    source = compiled(BOARD)
    assert decompiled(write(source))[0] == decompiled(write(read(write(source))))[0]
    assert "ethernet-phy@1" in decompiled(write(source))[0]


@given(TREES)
def test_what_is_written_is_read_again(root: Node) -> None:
    assert read(write(root)) == root


def test_bytes_after_the_tree_are_ignored() -> None:
    root = Node("", {"a": cells64(1)})
    assert read(write(root) + bytes(1000)) == root


@given(st.data())
def test_a_damaged_tree_is_an_error_or_a_tree(data: st.DataObject) -> None:
    blob = bytearray(write(compiled(BOARD)))
    for _ in range(data.draw(st.integers(1, 8))):
        blob[data.draw(st.integers(0, len(blob) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    length = data.draw(st.integers(0, len(blob)))
    for damaged in (bytes(blob), bytes(blob[:length])):
        try:
            root = read(damaged)
        except TreeError:
            continue
        assert sum(len(value) for _, node in root.walk() for value in node.properties.values()) <= len(
            damaged
        )


@pytest.mark.parametrize("blob", [b"", b"\xd0\x0d\xfe\xed", bytes(100), b"ELF" * 100])
def test_what_is_no_tree_is_an_error(blob: bytes) -> None:
    with pytest.raises(TreeError, match="reading a device tree"):
        read(blob)


def test_a_tree_nested_too_deep_is_an_error() -> None:
    root = node = Node("")
    for _ in range(100):
        node.children = [Node("deeper")]
        node = node.children[0]
    with pytest.raises(TreeError, match="nested deeper"):
        read(write(root))


def test_a_property_given_twice_is_an_error() -> None:
    blob = bytearray(write(Node("", {"aa": b"", "ab": b""})))
    strings_at = struct.unpack_from(">I", blob, 12)[0]
    blob[strings_at : strings_at + 6] = b"aa\0aa\0"
    with pytest.raises(TreeError, match="'aa' twice"):
        read(bytes(blob))


def test_an_old_format_without_paths_as_names_is_an_error() -> None:
    blob = bytearray(write(compiled("/dts-v1/; / { below { }; };")))
    struct.pack_into(">II", blob, 20, 3, 2)  # version and last compatible version
    with pytest.raises(TreeError, match="reading a device tree"):
        read(bytes(blob))


def test_a_name_that_cannot_be_one_is_an_error() -> None:
    with pytest.raises(TreeError, match="cannot be a name"):
        read(write(Node("", {}, [Node("a\x1b[31m")])))
    with pytest.raises(TreeError, match="cannot be text"):
        read(write(Node("", {"name": b""})).replace(b"name", b"n\xf0me"))


def test_a_tree_larger_than_the_boot_protocol_allows_does_not_fit() -> None:
    with pytest.raises(TreeError, match=r"does not fit: \d+ bytes, and 2097152 are allowed"):
        write(Node("", {"big": bytes(2 << 20)}))


@pytest.mark.parametrize("size", range(65_400, 65_540, 4))
def test_a_tree_that_just_fills_the_writers_buffer_is_written(size: int) -> None:
    root = Node("", {"big": bytes(size)})
    assert read(write(root)) == root


def test_a_large_tree_that_fits_is_written() -> None:
    root = Node("", {"big": bytes((2 << 20) - 4096)})
    assert read(write(root)) == root
