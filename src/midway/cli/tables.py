# SPDX-License-Identifier: Apache-2.0
"""Tables for people.  rich is imported when one is printed: most commands never do."""

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "print_table", "printable"]

_ANY_WIDTH = 10_000


def printable(text: str) -> str:
    """The text without control characters: a device tree's strings must not reach a terminal as they are."""
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in text)


def console() -> "Console":
    """Standard output: as wide as its terminal, and without one so wide that nothing is cut off."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _ANY_WIDTH, highlight=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns as wide as the terminal allows; every row in full on one line where there is no terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)
