# SPDX-License-Identifier: Apache-2.0
"""A terminal as the guest's console."""

import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["as_console"]

_INPUT, _LOCAL, _CHARACTERS = 0, 3, 6


@contextmanager
def as_console(fd: int) -> Iterator[None]:
    """Every key goes to the guest as it is typed, but Ctrl-C, which still interrupts; restored at the end."""
    before = termios.tcgetattr(fd)
    wanted = termios.tcgetattr(fd)
    wanted[_INPUT] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON | termios.ISTRIP)
    wanted[_LOCAL] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
    for key in (termios.VQUIT, termios.VSUSP):
        wanted[_CHARACTERS][key] = b"\0"
    wanted[_CHARACTERS][termios.VMIN] = 1
    wanted[_CHARACTERS][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSADRAIN, wanted)
    try:
        yield
    finally:
        with suppress(termios.error):  # it has gone, as after a hang-up
            termios.tcsetattr(fd, termios.TCSADRAIN, before)
