# SPDX-License-Identifier: Apache-2.0
"""Help texts of commands whose start is counted."""

import argparse
import os

__all__ = ["HelpFormatter"]

_MARGIN = 2
_WITHOUT_TERMINAL = 80


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal.

    argparse makes a formatter for the arguments that it adds, help or not, and without a width imports shutil
    and with it every compression that Python has.
    """

    def __init__(self, prog: str) -> None:
        try:
            columns = os.get_terminal_size().columns
        except (OSError, ValueError):
            columns = _WITHOUT_TERMINAL
        super().__init__(prog, width=columns - _MARGIN)
