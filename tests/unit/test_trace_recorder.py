# SPDX-License-Identifier: Apache-2.0
"""The recorder's own part, on a directory that stands in for tracefs."""

import os
from pathlib import Path

import pytest

from midway.errors import DeviceError, HostError
from midway.host.interrupts import host_interrupt
from midway.host.sysfs import HostFiles
from midway.measure.tracefs import TraceRecorder, line_events


def test_only_the_vms_threads_and_the_lines_interrupts_are_recorded() -> None:
    events = line_events([7, 8], [19], [1])
    assert events["kvm/kvm_exit"] == "common_pid == 7 || common_pid == 8"
    assert events["kvm/vgic_update_irq_pending"] == "irq == 33"
    assert events["irq/irq_handler_entry"] == 'irq == 19 || name == "IPI"'
    assert "syscalls/sys_enter_ioctl" not in events


def test_ioctls_are_recorded_of_the_vms_other_threads() -> None:
    assert line_events([7], [19], [1], [9])["syscalls/sys_enter_ioctl"] == "common_pid == 9"


def test_without_a_tracer_the_error_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="tracefs"), TraceRecorder({}, tracefs=tmp_path):
        pass


def test_an_instance_whose_recorder_was_killed_is_removed_and_a_running_ones_is_not(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    stale, own = (tmp_path / "instances" / f"midway-{pid}-00" for pid in (child, os.getpid()))
    stale.mkdir(parents=True)
    own.mkdir()
    with pytest.raises(Exception, match="tracing_on"), TraceRecorder({}, tracefs=tmp_path):
        pass
    assert [path.name for path in (tmp_path / "instances").iterdir()] == [own.name]


def test_the_hosts_interrupt_is_found_by_the_name_a_driver_gives_it(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/interrupts").write_text(
        "           CPU0       CPU1\n"
        " 18:          7          0     GICv3  88 Level     eth0, eth0\n"
        " 19:         10          0     GICv3  90 Level     vfio-forward:ff0d0000.ethernet[0]\n"
        " 20:          3          0     GICv3  91 Level     vfio-irq[1](ff0e0000.rtc)\n"
        "IPI0:       100        120       Rescheduling interrupts\n"
    )
    files = HostFiles(tmp_path)
    assert host_interrupt("ff0d0000.ethernet", 0, files) == 19
    assert host_interrupt("ff0e0000.rtc", 1, files) == 20
    with pytest.raises(DeviceError, match="no VFIO driver has it"):
        host_interrupt("ff0d0000.ethernet", 1, files)
