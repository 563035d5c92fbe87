# SPDX-License-Identifier: Apache-2.0
"""How Midway learns that the guest's kernel panicked.

A guest with a driver for `qemu,pvpanic-mmio` writes the register.  Debian's kernel has none, so the console's
text counts too: a line that begins with what Linux prints.  Whoever may write to the guest's console can thus
end the guest, and nothing else.
"""

import re
from collections.abc import Callable

__all__ = ["PanicRegister", "PanicWatch"]

_PANICKED, _CRASH_LOADED = 1, 2
_LINE = 256
# Compiled when the guest says its first line: until then it would be a part of the start.
_BEGIN = rb"(?:<\d>)?(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?(Kernel panic - not syncing.*)"
_END = rb"(?:<\d>)?(?:\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?---\[ end Kernel panic"


class PanicRegister:
    """One byte: reads say which events are understood, a write says which happened."""

    def __init__(self, panicked: Callable[[str], None]) -> None:
        self._panicked = panicked

    def read(self, offset: int, size: int) -> bytes:
        return (_PANICKED | _CRASH_LOADED if offset == 0 else 0).to_bytes(size, "little")

    def write(self, offset: int, data: bytes) -> None:
        if offset == 0 and data[0] & _PANICKED:
            self._panicked("the guest's kernel said so through its panic register")


class PanicWatch:
    """Reads the console along.

    `message` is the panic's first line once there was one: a reset after it is the panic's.  `panicked` is
    called with it when Linux has printed its last line and will only spin from now on.
    """

    def __init__(self, panicked: Callable[[str], None]) -> None:
        self._panicked = panicked
        self._line = bytearray()
        self.message = ""

    def see(self, data: bytes) -> None:
        for byte in data:
            if byte not in b"\r\n":
                if len(self._line) < _LINE:
                    self._line.append(byte)
            elif self._line:
                self._judge(bytes(self._line))
                self._line.clear()

    def _judge(self, line: bytes) -> None:
        if not self.message:
            begin = re.match(_BEGIN, line)
            if begin:
                self.message = begin[1].decode("ascii", "replace").strip()
        elif re.match(_END, line):
            self._panicked(self.message)
