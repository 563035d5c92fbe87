# SPDX-License-Identifier: Apache-2.0
"""Commands that have actions of their own: ``midway COMMAND ACTION``."""

import argparse
from collections.abc import Callable

__all__ = ["add_action"]


def add_action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    act: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """The command calls the chosen action as ``arguments.act(arguments)``."""
    parser = actions.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(act=act)
    return parser
