# SPDX-License-Identifier: Apache-2.0
"""A terminal as the guest's console."""

import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from midway.errors import HostError

__all__ = ["as_console"]

_INPUT, _LOCAL, _CHARACTERS = 0, 3, 6
_ATTEMPTED = "giving the terminal to the guest"
_REMEDY = "run it in the foreground, or with other input: </dev/null"


@contextmanager
def as_console(fd: int) -> Iterator[None]:
    """Every key goes to the guest as it is typed, but Ctrl-C, which still interrupts; restored at the end.

    Raises HostError where the terminal does not do as it is told.
    """
    before, wanted = _settings(fd), _settings(fd)
    wanted[_INPUT] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON | termios.ISTRIP)
    wanted[_LOCAL] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
    for key in (termios.VQUIT, termios.VSUSP):
        wanted[_CHARACTERS][key] = b"\0"
    wanted[_CHARACTERS][termios.VMIN] = 1
    wanted[_CHARACTERS][termios.VTIME] = 0
    try:
        _set(fd, wanted)
        yield
    finally:
        with suppress(termios.error):  # it has gone, as after a hang-up
            termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _settings(fd: int) -> list[Any]:
    try:
        return termios.tcgetattr(fd)
    except termios.error as error:
        raise HostError(_ATTEMPTED, answer=str(error.args[-1]), remedy=_REMEDY) from error


def _set(fd: int, wanted: list[Any]) -> None:
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, wanted)
    except termios.error as error:
        raise HostError(_ATTEMPTED, answer=str(error.args[-1]), remedy=_REMEDY) from error
