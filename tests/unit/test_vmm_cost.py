# SPDX-License-Identifier: Apache-2.0
"""What VMMs cost, as it is read from a trace, from mappings and from the files they open, and compared."""

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from midway.bench import vmm_cost
from midway.bench.free_memory import rewrite_free_memory
from midway.bench.results import VmmCost
from midway.bench.vmm_guest import VMMS, Images
from midway.bench.vmm_ratio import compare
from midway.bench.vmm_reading import Moments, files_loaded, interpreter, memory_beside, moments
from midway.board.initramfs import COMMAND_LINE
from midway.errors import HostError
from midway.measure.trace_events import parse_trace

TRACE = """\
# tracer: nop
     setpriv-410     [000] .....    10.200000: sched_process_exec: filename=/bin/setpriv pid=410 old_pid=410
              sh-410     [000] .....    10.250000: sched_process_exec: filename=/bin/m pid=410 old_pid=410
         python3-410     [000] .....    10.300000: sched_process_exec: filename=/bin/p pid=410 old_pid=410
 qemu-system-aar-77      [001] .....    10.400000: sched_process_exec: filename=/bin/q pid=77 old_pid=77
         python3-412     [001] d....    11.000000: kvm_entry: PC: 0x0000000040200000
         python3-412     [001] d....    11.500000: kvm_entry: PC: 0x0000000040200004
     CPU 0/KVM-78      [000] d....    12.400000: kvm_entry: PC: 0x0000000040200000
     CPU 0/KVM-99      [000] d....    10.100000: kvm_entry: PC: 0x0000000040200000
"""

SMAPS = """\
aaaa00000000-aaaa00100000 r-xp 00000000 fe:00 1 /usr/bin/python3.11
Size:               1024 kB
Rss:                 800 kB
Pss:                 400 kB
Pss_Dirty:            10 kB
ffff00000000-ffff10000000 rw-p 00000000 00:00 0
Rss:               90000 kB
Pss:               90000 kB
ffff10000000-ffff10200000 rw-p 00000000 00:00 0
Rss:                  16 kB
Pss:                  16 kB
"""

STRACE = """\
410 execve("/usr/bin/python3", ["python3", "-c", "x"], 0xffff /* 9 vars */) = 0
410 openat(AT_FDCWD, "/etc/ld.so.preload", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)
410 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 3
410 openat(AT_FDCWD, "/usr/lib/python3.11", O_RDONLY|O_NONBLOCK|O_CLOEXEC|O_DIRECTORY) = 3
411 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC) = 4
411 openat(AT_FDCWD, "/boot/vmlinuz", O_RDONLY|O_CLOEXEC) = 5
411 openat(AT_FDCWD, "/dev/kvm", O_RDWR|O_CLOEXEC) = 6
411 openat(AT_FDCWD, "/proc/self/stat", O_RDONLY|O_CLOEXEC) = 7
"""


def cost(vmm: str, seconds: float, repetition: int = 1, device: str | None = None) -> VmmCost:
    return VmmCost(
        vmm=vmm,
        device=device,
        together=1,
        repetition=repetition,
        exec_to_first_instruction_s=seconds,
        exec_to_init_s=2 * seconds,
        memory=10,
        disk=10,
        threads=4,
    )


def test_a_start_is_from_the_first_exec_to_the_first_entry_of_any_of_its_threads() -> None:
    tasks = {410: (410, 411, 412), 77: (77, 78)}
    found = moments(parse_trace(TRACE.splitlines()), tasks)
    assert found == {410: Moments(10.25, 11.0), 77: Moments(10.4, 12.4)}


def test_a_vmm_does_not_outlive_a_measurement_that_is_killed() -> None:
    program = (
        "from midway.bench.vmm_process import MeasuredVmm, wait_for_inits\n"
        "with MeasuredVmm(['sh', '-c', 'echo midway-bench: init; exec sleep 100']) as vmm:\n"
        "    wait_for_inits([vmm])\n"
        "    print(vmm.pid, flush=True)\n"
        "    input()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, text=True) as measuring:
        assert measuring.stdout is not None
        vmm = os.pidfd_open(int(measuring.stdout.readline()))
        try:
            measuring.kill()
            ended, _, _ = select.select([vmm], [], [], 30)
        finally:
            os.close(vmm)
    assert ended


def test_a_vmm_that_entered_no_guest_has_no_such_moment() -> None:
    assert moments(parse_trace(TRACE.splitlines()), {77: (77,)}) == {77: Moments(10.4, None)}


def test_memory_is_all_mappings_in_proportion_but_the_guests() -> None:
    assert memory_beside(SMAPS, 256 << 20) == (400 + 16) * 1024


def test_a_call_that_another_threads_came_between_counts_too() -> None:
    log = """\
410 openat(AT_FDCWD, "/lib/libc.so.6", O_RDONLY|O_CLOEXEC <unfinished ...>
411 openat(AT_FDCWD, "/lib/libm.so.6", O_RDONLY|O_CLOEXEC <unfinished ...>
410 <... openat resumed>)       = 3
411 <... openat resumed>)       = -1 ENOENT (No such file or directory)
"""
    assert files_loaded(log, []) == ("/lib/libc.so.6",)


def test_files_are_what_was_opened_of_the_installation_once_each() -> None:
    assert files_loaded(STRACE, ["/boot/vmlinuz"]) == ("/lib/libc.so.6", "/usr/bin/python3")


@pytest.mark.parametrize(
    ("beginning", "program"),
    [
        (b"#!/usr/bin/python3 -P\nimport sys\n", "/usr/bin/python3"),
        (b"#! /bin/sh\n", "/bin/sh"),
        (b"#!\n", None),
        (b"\x7fELF#!/bin/sh\n", None),
        (b"", None),
    ],
)
def test_a_scripts_interpreter_is_in_its_first_line(beginning: bytes, program: str | None) -> None:
    assert interpreter(beginning) == program


def test_a_comparison_is_of_medians() -> None:
    costs = [cost("midway", seconds) for seconds in (1.0, 9.0, 2.0)]
    costs += [cost("qemu", seconds) for seconds in (4.0, 8.0, 100.0)]
    found = {entry.measure: entry for entry in compare(costs)}
    first = found["exec_to_first_instruction_s"]
    assert (first.vmm, first.midway, first.other, first.ratio) == ("qemu", 2.0, 8.0, 0.25)
    assert found["memory"].ratio == 1.0


def test_what_was_measured_with_a_device_is_not_compared_with_what_was_not() -> None:
    assert compare([cost("midway", 1.0, device="ff0d0000.ethernet"), cost("qemu", 1.0)]) == ()


@pytest.mark.parametrize("name", VMMS)
def test_every_vmm_gets_the_same_guest(name: str) -> None:
    guest = Images(Path("/boot/vmlinuz"), Path("/run/initrd"))
    words = VMMS[name](guest)
    assert {"/boot/vmlinuz", "/run/initrd", COMMAND_LINE} < {*words}
    assert {"256", "256M"} & {*words}


def test_most_of_the_free_memory_is_written_to_and_freed_again(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:      999999 kB\nMemFree:       65536 kB\nMemAvailable:  99999 kB\n")
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from midway.bench.free_memory import rewrite_free_memory\n"
        "print(rewrite_free_memory(Path(sys.argv[1])) >> 10)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print(int(Path('/proc/self/statm').read_text().split()[1]) * resource.getpagesize() >> 10)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, meminfo], check=True, capture_output=True, text=True
    )
    rewritten, most, now = (int(word) for word in done.stdout.split())
    assert rewritten == 48 << 10
    assert now < rewritten <= most


def test_a_host_that_does_not_say_how_much_memory_is_free_is_an_error(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:      999999 kB\n")
    with pytest.raises(HostError, match="does not say how much there is"):
        rewrite_free_memory(meminfo)


def test_memory_is_rewritten_before_each_start_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def measured(name: str, *_: object) -> VmmCost:
        done.append(name)
        return cost(name, 1.0)

    monkeypatch.setattr(vmm_cost, "_disk", lambda *_: 10)
    monkeypatch.setattr(vmm_cost, "_measure", measured)
    guest = Images(Path("/boot/vmlinuz"), Path("/run/initrd"))
    for _ in vmm_cost.measure_costs(
        guest, together=[1], repetitions=2, vmms=["midway", "qemu"], before=lambda: done.append("rewritten")
    ):
        pass
    assert done[::2] == ["rewritten"] * 4
    assert done[1::2] == ["midway", "qemu", "qemu", "midway"]
