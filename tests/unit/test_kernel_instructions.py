# SPDX-License-Identifier: Apache-2.0
"""Counting instructions, on a kernel that is made up."""

import pytest

from midway.errors import KernelError
from midway.kernel.instructions import InstructionCounters
from midway.uapi import perf_event
from unit.fakes import FakeKernel

ONLINE = "/sys/devices/system/cpu/online"


@pytest.fixture
def kernel() -> FakeKernel:
    """A host of two processors, of which only the first has a counter so far."""
    kernel = FakeKernel()
    kernel.files[ONLINE] = "0-1\n"
    kernel.opens["cpu0"] = 200
    return kernel


def test_every_processor_has_a_counter_of_its_own(kernel: FakeKernel) -> None:
    kernel.opens["cpu1"] = 201
    kernel.contents = {200: (1000).to_bytes(8, "little"), 201: (1 << 40).to_bytes(8, "little")}
    with InstructionCounters(kernel) as counters:
        assert counters.read() == (1000, 1 << 40)
    assert not kernel.open_fds


def test_a_processor_that_is_not_online_has_no_counter(kernel: FakeKernel) -> None:
    kernel.files[ONLINE] = "0,2-3\n"
    kernel.opens |= {"cpu2": 202, "cpu3": 203}
    kernel.contents = {fd: fd.to_bytes(8, "little") for fd in (200, 202, 203)}
    with InstructionCounters(kernel) as counters:
        assert counters.read() == (200, 202, 203)


def test_what_is_counted_is_instructions(kernel: FakeKernel) -> None:
    kernel.opens["cpu1"] = 201
    layout = perf_event.perf_event_attr
    with InstructionCounters(kernel):
        attributes = next(entry[1] for entry in kernel.log if entry[0] == "perf_event_open")
    assert isinstance(attributes, bytes)
    assert layout.get(attributes, "type") == perf_event.PERF_TYPE_HARDWARE
    assert layout.get(attributes, "config") == perf_event.PERF_COUNT_HW_INSTRUCTIONS
    assert layout.get(attributes, "size") == len(attributes)


def test_a_host_without_counters_is_an_error_that_leaves_none_open(kernel: FakeKernel) -> None:
    with pytest.raises(KernelError, match="instructions of CPU 1: No such file"), InstructionCounters(kernel):
        pass
    assert not kernel.open_fds
