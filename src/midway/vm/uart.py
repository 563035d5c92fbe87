# SPDX-License-Identifier: Apache-2.0
"""A 16550, the guest's first console: National Semiconductor's PC16550D, registers one byte apart."""

import threading
from collections import deque
from collections.abc import Callable

__all__ = ["Uart"]

_DATA, _IER, _IIR, _LCR, _MCR, _LSR, _MSR, _SCRATCH = range(8)
_IER_RECEIVED, _IER_EMPTY = 1, 2
_IIR_NONE, _IIR_EMPTY, _IIR_RECEIVED, _IIR_FIFOS = 0x01, 0x02, 0x04, 0xC0
_FCR_ENABLE, _FCR_CLEAR_RECEIVED = 1, 2
_LCR_DIVISOR = 0x80
_MCR_LOOP = 0x10
_LSR_READY, _LSR_EMPTY = 0x01, 0x60  # both the holding and the shift register are always empty
_MSR_CONNECTED = 0xB0  # carrier, data set ready, clear to send
_ROOM = 4096  # far more than 16: what a terminal pastes at once


class Uart:
    """`transmit` takes what the guest sends; `set_line` is the interrupt's level.

    `transmit` is called from the vCPU's thread, once at a time, and may wait: only vCPUs that send as well
    wait with it then.  `set_line` is called with the registers' lock held, from the thread of the vCPU or of
    the one who calls `receive`, and must not wait.
    """

    def __init__(self, transmit: Callable[[bytes], None], set_line: Callable[[bool], None]) -> None:
        self._transmit = transmit
        self._set_line = set_line
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._received: deque[int] = deque()
        self._drained: Callable[[], None] | None = None
        self._interrupts = 0
        self._empty_pending = False
        self._fifos = False
        self._line_control = 0
        self._modem_control = 0
        self._scratch = 0
        self._divisor = [1, 0]
        self._level = False

    @property
    def room(self) -> int:
        """How many bytes `receive` still takes."""
        return _ROOM - len(self._received)

    def on_drained(self, call: Callable[[], None]) -> None:
        """Call, with the registers' lock held, when the guest has taken or cleared everything received."""
        self._drained = call

    def receive(self, data: bytes) -> None:
        """Bytes for the guest; what is beyond `room` is lost, as on a wire."""
        with self._lock:
            self._received.extend(data[: self.room])
            self._update()

    def read(self, offset: int, size: int) -> bytes:
        with self._lock:
            value = self._read(offset)
            self._update()
        return value.to_bytes(size, "little")

    def write(self, offset: int, data: bytes) -> None:
        with self._lock:
            leaves = self._leaves(offset)
            if not leaves:
                self._write(offset, data[0])
                self._update()
        if leaves:
            self._send(data[:1])

    def _read(self, offset: int) -> int:
        if offset in (_DATA, _IER) and self._line_control & _LCR_DIVISOR:
            return self._divisor[offset]
        match offset:
            case 0:
                return self._take()
            case 1:
                return self._interrupts
            case 2:
                reason = self._reason()
                if reason == _IIR_EMPTY:
                    self._empty_pending = False
                return reason | (_IIR_FIFOS if self._fifos else 0)
            case 3:
                return self._line_control
            case 4:
                return self._modem_control
            case 5:
                return _LSR_EMPTY | (_LSR_READY if self._received else 0)
            case 6:
                return self._modem_status()
            case 7:
                return self._scratch
        return 0

    def _write(self, offset: int, value: int) -> None:
        if offset in (_DATA, _IER) and self._line_control & _LCR_DIVISOR:
            self._divisor[offset] = value
            return
        match offset:
            case 0:
                self._loop_back(value)
            case 1:
                if value & ~self._interrupts & _IER_EMPTY:
                    self._empty_pending = True
                self._interrupts = value & 0x0F
            case 2:
                self._fifos = bool(value & _FCR_ENABLE)
                if value & _FCR_CLEAR_RECEIVED and self._received:
                    self._received.clear()
                    self._tell_drained()
            case 3:
                self._line_control = value
            case 4:
                self._modem_control = value & 0x1F
            case 7:
                self._scratch = value

    def _take(self) -> int:
        if not self._received:
            return 0
        value = self._received.popleft()
        if not self._received:
            self._tell_drained()
        return value

    def _tell_drained(self) -> None:
        if self._drained is not None:
            self._drained()

    def _leaves(self, offset: int) -> bool:
        """Whether what is written there goes out on the wire."""
        return offset == _DATA and not (self._line_control & _LCR_DIVISOR or self._modem_control & _MCR_LOOP)

    def _send(self, byte: bytes) -> None:
        with self._sending:
            self._transmit(byte)
        with self._lock:
            self._empty_pending = True
            self._update()

    def _loop_back(self, value: int) -> None:
        if self.room:
            self._received.append(value)
        self._empty_pending = True

    def _modem_status(self) -> int:
        if not self._modem_control & _MCR_LOOP:
            return _MSR_CONNECTED
        control = self._modem_control
        # DTR, RTS, OUT1, OUT2 come back as DSR, CTS, RI, DCD
        return (control & 1) << 5 | (control & 2) << 3 | (control & 4) << 4 | (control & 8) << 4

    def _reason(self) -> int:
        if self._received and self._interrupts & _IER_RECEIVED:
            return _IIR_RECEIVED
        if self._empty_pending and self._interrupts & _IER_EMPTY:
            return _IIR_EMPTY
        return _IIR_NONE

    def _update(self) -> None:
        level = self._reason() != _IIR_NONE
        if level != self._level:
            self._level = level
            self._set_line(level)
