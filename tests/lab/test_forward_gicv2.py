# SPDX-License-Identifier: Apache-2.0
"""Forwarded interrupts on a GICv2, of a device that is no disk; test_forward_virt has the rest."""

from lab import loads
from midway.lab.guest_run import run_guest
from midway.lab.running import RunningBoard

ALARMS = 50


def test_a_clock_has_its_alarms_forwarded_by_default(virt_gicv2: RunningBoard) -> None:
    options = ("--memory", "1024", "--backing", "direct", "--device", "9010000.pl031")
    report = run_guest(virt_gicv2, loads.alarms(ALARMS), (*options, *loads.placing(virt_gicv2)))
    (line,) = report.summary["final"]["lines"]
    assert int(report.value("alarms")) == line["host"] == line["forwarded"] == ALARMS
    assert line["mode"] == "forward"
    assert report.interval(2, 3)["wakeups"] == 0
