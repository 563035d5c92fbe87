# SPDX-License-Identifier: Apache-2.0
"""The guest's accesses to addresses that are no memory."""

import pytest

from midway.findings import Severity
from midway.vm.bus import Bus


class Recorder:
    def __init__(self) -> None:
        self.written: list[tuple[int, bytes]] = []

    def read(self, offset: int, size: int) -> bytes:
        return offset.to_bytes(size, "little")

    def write(self, offset: int, data: bytes) -> None:
        self.written.append((offset, data))


@pytest.fixture
def bus() -> Bus:
    return Bus()


def test_each_access_reaches_the_device_whose_range_it_is_in(bus: Bus) -> None:
    first, second = Recorder(), Recorder()
    bus.add(0x2000, 0x1000, second)
    bus.add(0x1000, 0x1000, first)
    bus.write(0x1FFC, b"\1\2\3\4")
    bus.write(0x2000, b"\5")
    assert first.written == [(0xFFC, b"\1\2\3\4")]
    assert second.written == [(0, b"\5")]
    assert bus.read(0x2010, 2) == b"\x10\0"


@pytest.mark.parametrize(("address", "size"), [(0x800, 0x801), (0x1FFF, 1), (0x1400, 4), (0x1000, 0x2000)])
def test_ranges_may_not_overlap(bus: Bus, address: int, size: int) -> None:
    bus.add(0x1000, 0x1000, Recorder())
    with pytest.raises(ValueError, match="not free"):
        bus.add(address, size, Recorder())


def test_where_nothing_is_reads_are_zero_and_writes_are_lost(bus: Bus) -> None:
    device = Recorder()
    bus.add(0x1000, 0x10, device)
    assert bus.read(0x1010, 4) == bytes(4)
    bus.write(0xFFF, b"\1")
    assert device.written == []


def test_an_access_across_the_end_of_a_range_reaches_nobody(bus: Bus) -> None:
    device = Recorder()
    bus.add(0x1000, 0x10, device)
    bus.write(0x100E, b"\1\2\3\4")
    assert device.written == []


def test_stray_accesses_are_one_finding_with_their_pages(bus: Bus) -> None:
    for address in (0x9000, 0x9004, 0xA000):
        bus.read(address, 4)
    (finding,) = bus.findings()
    assert finding.severity is Severity.NOTE
    assert "3 accesses" in finding.cause
    assert "0x9000, 0xa000" in finding.cause


def test_a_guest_that_touches_nothing_strange_has_no_finding(bus: Bus) -> None:
    bus.add(0x1000, 0x10, Recorder())
    bus.read(0x1000, 4)
    assert bus.findings() == ()


def test_many_stray_pages_are_not_all_remembered(bus: Bus) -> None:
    for page in range(1000):
        bus.read(page << 12, 4)
    (finding,) = bus.findings()
    assert "1000 accesses" in finding.cause
    assert len(finding.cause) < 200
