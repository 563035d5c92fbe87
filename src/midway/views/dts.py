# SPDX-License-Identifier: Apache-2.0
"""Nodes as device tree source, with a comment behind each property (devicetree spec v0.4, chapter 6)."""

import itertools
import re
import struct
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from midway.devicetree.node import Node

__all__ = ["Comments", "comment", "label", "source"]

_NAME = re.compile(r"[a-zA-Z0-9,._+*#?@-]+")  # what dtc takes for a node or a property
_NOT_IN_A_LABEL = re.compile(r"[^0-9a-zA-Z_]")
_PRINTABLE = re.compile(rb"[\x20-\x7e]+")
_COMMENT_COLUMN = 64
_WIDTH = 80  # of a property that is broken into lines, without its indentation
# Properties of cells, which must not be taken for text because their bytes happen to be letters.
_CELLS = re.compile(r"#.*|reg|ranges|dma-ranges|interrupts|phandle|.*-frequency")
_GROUPS = {"reg": 4, "interrupts": 3}  # cells of an entry on the guest's platform bus


@dataclass(frozen=True, slots=True)
class Comments:
    """What is said of a node: behind its name, behind each property, and of what is not there."""

    title: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    absent: Sequence[str] = ()


def comment(text: str) -> str:
    """The text as a comment that nothing in it can end, in one line without control characters."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return f"/* {plain.replace('*/', '* /')} */"


def label(name: str) -> str:
    """A label made of a node's name."""
    made = _NOT_IN_A_LABEL.sub("_", name)
    return f"_{made}" if made[:1].isdigit() else made


def source(
    node: Node,
    depth: int,
    *,
    comments: Callable[[Node], Comments],
    labels: Mapping[int, str],
    references: Callable[[Node, str], Sequence[int]],
) -> Iterator[str]:
    """The node's lines, indented by `depth` tabs.

    `labels` are by phandle; `references` gives the places, counted in cells, of a property's phandles.
    What source cannot name (dtc accepts fewer characters than a flattened tree has room for) is a comment.
    """
    said = comments(node)
    indent = "\t" * depth
    if not _NAME.fullmatch(node.name) and node.name:
        yield f"{indent}{comment(f'a node called {node.name!r}, which source cannot name, is left out')}"
        return
    phandle = node.properties.get("phandle", b"")
    name = labels.get(int.from_bytes(phandle, "big"))
    head = f"{indent}{name + ': ' if name else ''}{node.name or '/'} {{"
    yield f"{head} {comment(said.title)}" if said.title else head
    for key, value in node.properties.items():
        if not _NAME.fullmatch(key):
            yield f"{indent}\t{comment(f'a property called {key!r}, which source cannot name, is left out')}"
            continue
        text = _property(key, value, labels, references(node, key))
        yield from _remarked(text, said.properties.get(key), f"{indent}\t")
    yield from (f"{indent}\t{comment(text)}" for text in said.absent)
    for at, child in enumerate(node.children):
        if at or node.properties or said.absent:
            yield ""
        yield from source(child, depth + 1, comments=comments, labels=labels, references=references)
    yield f"{indent}}};"


def _remarked(text: str, remark: str | None, indent: str) -> Iterator[str]:
    """The comment behind a property that is short, and above one that is not."""
    first, *more = (
        textwrap.wrap(
            text, _WIDTH, subsequent_indent=f"{indent}\t", break_long_words=False, break_on_hyphens=False
        )
        if len(text) > _WIDTH and '"' not in text
        else [text]
    )
    width = len(f"{indent}{first}".expandtabs(8))
    if remark and (more or width >= _COMMENT_COLUMN):
        yield f"{indent}{comment(remark)}"
        remark = None
    yield (
        f"{indent}{first}{' ' * (_COMMENT_COLUMN - width)}{comment(remark)}" if remark else f"{indent}{first}"
    )
    yield from more


def _property(name: str, value: bytes, labels: Mapping[int, str], phandles: Sequence[int]) -> str:
    """The property in one line, without what is said of it."""
    if not value:
        return f"{name};"
    if not _CELLS.fullmatch(name) and not phandles and _is_text(value):
        return f"{name} = {', '.join(_quoted(part) for part in value[:-1].split(bytes(1)))};"
    if len(value) % 4:
        return f"{name} = [{value.hex(' ')}];"
    cells = struct.unpack(f">{len(value) // 4}I", value)
    words = [_cell(name, cell, labels if at in phandles else {}) for at, cell in enumerate(cells)]
    size = _GROUPS.get(name, 0)
    if phandles:
        before = phandles[0]  # cells of an entry in front of its phandle, as there are in every other
        starts = [*(at - before for at in phandles), len(words)]
        groups = [words[start:end] for start, end in itertools.pairwise(starts)]
    elif size and len(words) % size == 0:
        groups = [words[at : at + size] for at in range(0, len(words), size)]
    else:
        groups = [words]
    return f"{name} = {', '.join(f'<{chr(32).join(group)}>' for group in groups)};"


def _cell(name: str, cell: int, labels: Mapping[int, str]) -> str:
    if cell in labels:
        return f"&{labels[cell]}"
    return str(cell) if cell < 10 or name.endswith(("-frequency", "-microvolt", "-cells")) else f"{cell:#x}"


def _is_text(value: bytes) -> bool:
    return value.endswith(b"\0") and all(_PRINTABLE.fullmatch(part) for part in value[:-1].split(b"\0"))


def _quoted(part: bytes) -> str:
    escaped = part.decode("ascii").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
