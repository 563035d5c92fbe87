# SPDX-License-Identifier: Apache-2.0
"""Stopping a VM from outside, whatever its threads wait for."""

from typing import cast

from midway.board.plan import MachinePlan
from midway.kernel.memory import GuestMemory
from midway.kernel.syscalls import Linux
from midway.vm.machine import Machine
from unit.blocked import blocked_guest

SECONDS = 20


def test_a_stop_frees_the_vcpu_that_waits_for_a_reader_of_its_output() -> None:
    """Also after a key: the loop that hears of the stop has then brought it to the UART the vCPU is in."""
    with GuestMemory(Linux()) as memory, blocked_guest() as guest:
        machine = Machine(cast(MachinePlan, None), memory, guest.console)
        machine._stop_event = guest.event
        guest.events.watch(guest.event.fd, machine._end_as_wanted)
        guest.type_and_wait(b"a")
        machine.stop()
        guest.vcpu.join(SECONDS)
        assert not guest.vcpu.is_alive()
