# SPDX-License-Identifier: Apache-2.0
"""What a board's console says of its end."""

import re

__all__ = ["last_words"]

_LAST_LINES = 12
_CAUSE = re.compile(r"Kernel panic - not syncing|Unable to handle kernel|Internal error:|kernel BUG at|BUG: ")


def last_words(console: str) -> str:
    """The lines on which the kernel says what killed it, and the last ones, indented; for an error's
    message.
    """
    lines = [line for line in console.splitlines() if line.strip()]
    start = max(0, len(lines) - _LAST_LINES)
    causes = [line for line in lines[:start] if _CAUSE.search(line)]
    if not lines:
        return "its console said nothing"
    return "its console's last words:" + "".join(f"\n    {line}" for line in causes + lines[start:])
