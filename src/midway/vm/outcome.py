# SPDX-License-Identifier: Apache-2.0
"""How a VM ends."""

import threading
from collections.abc import Callable
from enum import StrEnum

import msgspec

from midway.errors import GuestError, GuestFaultError, GuestPanicError

__all__ = ["End", "Ending", "Outcome"]


class End(StrEnum):
    """The ways in which a VM ends."""

    POWER_OFF = "power-off"
    RESET = "reset"  # the guest asked for a reboot: whoever supervises `midway run` starts it again
    PANIC = "panic"
    FAULT = "fault"  # KVM could not go on, or Midway failed while it served the guest
    STOPPED = "stopped"  # from outside


_STATUS = {End.POWER_OFF: 0, End.RESET: 3, End.PANIC: 4, End.FAULT: 5, End.STOPPED: 0}


class Outcome(msgspec.Struct, frozen=True):
    """`signal` is what stopped the VM, if a signal did."""

    end: End
    detail: str = ""
    signal: int = 0

    @property
    def exit_status(self) -> int:
        """0 power-off or stopped through the API, 3 reset, 4 panic, 5 fault, 128 + n stopped by signal n."""
        return 128 + self.signal if self.signal else _STATUS[self.end]

    def __str__(self) -> str:
        return f"{self.end}: {self.detail}" if self.detail else str(self.end)

    def raise_for_guest(self) -> None:
        """GuestPanicError or GuestFaultError for an end that is an error."""
        kinds: dict[End, type[GuestError]] = {End.PANIC: GuestPanicError, End.FAULT: GuestFaultError}
        kind = kinds.get(self.end)
        if kind is not None:
            raise kind(f"the guest ended: {self}")


class Ending:
    """The one end of a VM: the first that is named counts; `then` is called with it, by the naming thread."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._lock = threading.Lock()
        self._event = threading.Event()
        self.outcome: Outcome | None = None

    @property
    def is_near(self) -> bool:
        return self.outcome is not None

    def end(self, outcome: Outcome) -> None:
        with self._lock:
            if self.outcome is not None:
                return
            self.outcome = outcome
        self._event.set()
        self._then()

    def wait(self, timeout: float | None = None) -> Outcome | None:
        """The outcome; None where `timeout` seconds passed without one."""
        self._event.wait(timeout)
        return self.outcome
