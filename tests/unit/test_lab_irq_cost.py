# SPDX-License-Identifier: Apache-2.0
"""Which of a board's interrupts are those of the device that is measured."""

import pytest

from midway.errors import LabError
from midway.lab.irq_cost import _host_interrupt
from midway.measure.exits import classify
from midway.measure.trace_events import parse_trace

# The host's timer interrupts the guest twice, the device once.
TRACE = """\
    vcpu0-7  [000] .....  1.000001: kvm_entry: PC: 0x0000000040200000
    vcpu0-7  [000] d....  1.000002: irq_handler_entry: irq=10 name=arch_timer
    vcpu0-7  [000] .....  1.000003: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x0000000040200000
    vcpu0-7  [000] .....  1.000004: kvm_entry: PC: 0x0000000040200000
    vcpu0-7  [000] d....  1.000005: irq_handler_entry: irq=52 name=vfio-forward:ffa80000.dma[0]
    vcpu0-7  [000] .....  1.000006: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x0000000040200000
    vcpu0-7  [000] .....  1.000007: kvm_entry: PC: 0x0000000040200000
    vcpu0-7  [000] d....  1.000008: irq_handler_entry: irq=10 name=arch_timer
    vcpu0-7  [000] .....  1.000009: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x0000000040200000
"""


def test_a_timers_exits_are_no_delivery_of_the_devices_interrupts() -> None:
    events = list(parse_trace(TRACE.splitlines()))
    found = classify(events, 1, _host_interrupt(events, "ffa80000.dma", 0))
    assert (found.interrupts, found.delivery, dict(found.other)) == (1, 1, {"IRQ": 2})


def test_a_recording_without_the_devices_interrupt_is_an_error() -> None:
    with pytest.raises(LabError, match=r"no handler vfio-forward:ffa80000.dma\[1\] ran"):
        _host_interrupt(parse_trace(TRACE.splitlines()), "ffa80000.dma", 1)
