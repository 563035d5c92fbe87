# SPDX-License-Identifier: Apache-2.0
"""Measuring in a guest, whichever VMM runs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from midway.bench.counters import HostCounters, HostSnapshot
from midway.bench.image import NOTHING
from midway.bench.outcome import plain_text
from midway.bench.vmm import ExactCounts, GuestSetup, GuestVmm, RunningGuest
from midway.bench.window import Window, patience
from midway.bench.workloads import Target, Workload
from midway.errors import GuestError

__all__ = ["GuestSession", "guest_session"]

_BOOT = 300.0  # seconds until a guest is ready; about 15 on an emulated board
_ATTEMPTS = 30  # then a line that is never quiet is counted as it is


class _Moment(NamedTuple):
    """What the host and the guest had counted when the device was quiet."""

    host: HostSnapshot
    guest_interrupts: int


@dataclass(slots=True)
class GuestSession:
    """`exact` has, once it has ended, what the VMM counted of each load in their order, if it can."""

    guest: RunningGuest
    counters: HostCounters
    exact: tuple[ExactCounts, ...] = ()
    _loads: int = 0
    _counted: int = -1  # interrupts, by the guest when it was last asked

    def measure(self, workload: Workload, target: Target) -> Window:
        return self._window(workload.name, workload, target)

    def nothing(self, workload: Workload, target: Target) -> Window:
        """The same for no load: what measuring itself costs."""
        return self._window(NOTHING, workload, target)

    def end(self) -> None:
        """Let the guest power off."""
        process = self.guest.process
        process.order("end")
        status = process.wait()
        if status:
            raise GuestError("ending the guest", answer=f"its VMM's exit status is {status}")
        if self.guest.exact is None:
            return
        self.exact = self.guest.exact()
        if len(self.exact) != self._loads:
            raise GuestError(
                "ending the guest", answer=f"it marked {len(self.exact)} loads where {self._loads} ran"
            )

    def _window(self, load: str, workload: Workload, target: Target) -> Window:
        self._loads += 1
        process, timeout = self.guest.process, patience(target)
        before = self._quiet_moment(timeout)
        process.order(f"run {load}")
        status = process.expect("done", timeout)
        # Without this what nothing costs would be a count less than what any load does.
        self._counted = self._guest_count(timeout)
        after = self._quiet_moment(timeout)
        process.order("tell")
        output = plain_text(process.expect("output", timeout))
        if status != "0":
            raise GuestError(
                f"running {load} in the guest", answer=f"exit status {status}: {output.strip()[-400:]}"
            )
        return Window(
            workload,
            target.seconds,
            output,
            before.host,
            after.host,
            after.guest_interrupts - before.guest_interrupts,
        )

    def _quiet_moment(self, timeout: float) -> _Moment:
        """The host counts between two counts of the guest that are the same, a tenth of a second apart: no
        interrupt is then counted by one and not yet by the other, and both have seen the same since the last
        such moment.
        """
        for _ in range(_ATTEMPTS):
            earlier = self._counted
            host = self.counters.snapshot(self.guest.process.pid)
            self._counted = self._guest_count(timeout)
            if self._counted == earlier:
                break
        return _Moment(host, self._counted)

    def _guest_count(self, timeout: float) -> int:
        """The device's interrupts, a tenth of a second from now."""
        self.guest.process.order("count")
        count = self.guest.process.expect("interrupts", timeout)
        if not count.isdecimal():
            raise GuestError("counting the guest's interrupts", answer=f"it says {count!r}")
        return int(count)


@contextmanager
def guest_session(vmm: GuestVmm, setup: GuestSetup, counters: HostCounters) -> Iterator[GuestSession]:
    """A guest that is ready for loads."""
    with vmm.start(setup) as guest:
        guest.process.expect("ready", _BOOT)
        yield GuestSession(guest, counters)
