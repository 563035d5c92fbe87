# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from midway.board.plan import GicPlan, Window
from midway.errors import HostError, KernelError
from midway.findings import Finding
from midway.host.affinity import HostInterrupt, check_pins
from midway.host.sysfs import HostFiles
from midway.vm.following import FollowedLine, FollowingAffinity, Routing, routing_of

GICV3 = GicPlan(3, Window(0x8000000, 0x10000), Window(0x80A0000, 0x40000), 32)
GICV2 = GicPlan(2, Window(0x8000000, 0x10000), Window(0x8010000, 0x20000), 32)
PREFIX = "python3-155     [001] .....    23.061323: kvm_mmio: "


@pytest.mark.parametrize(
    ("value", "vcpu"), [(0x0, 0), (0x1, 1), (0x7, 7), (0x102, 18), (0x80000001, 1), (0x1_0000_0001, 1)]
)
def test_a_write_to_a_router_tells_the_vcpu(value: int, vcpu: int) -> None:
    line = f"{PREFIX}mmio write len 8 gpa 0x8006108 val {value:#x}"
    assert list(routing_of(line, GICV3)) == [Routing(155, 33, vcpu)]


def test_one_write_routes_up_to_four_interrupts_of_a_gicv2_to_the_lowest_cpu_of_each() -> None:
    line = f"{PREFIX}mmio write len 4 gpa 0x8000820 val 0x08060100"
    assert list(routing_of(line, GICV2)) == [
        Routing(155, 33, 0),
        Routing(155, 34, 1),
        Routing(155, 35, 3),
    ]


@pytest.mark.parametrize("rest", ["mmio read len 8 gpa 0x8006108 val 0x1", "kvm_entry: PC: 0x0", ""])
def test_whatever_else_is_in_the_trace_tells_nothing(rest: str) -> None:
    assert list(routing_of(PREFIX + rest, GICV3)) == []


@pytest.fixture
def files(tmp_path: Path) -> HostFiles:
    (tmp_path / "proc/irq/19").mkdir(parents=True)
    (tmp_path / "proc/irq/19/smp_affinity_list").write_text("0-3")
    (tmp_path / "proc/interrupts").write_text(" 19:   1   GICv3  90 Level   vfio-forward:nic[0]\n")
    return HostFiles(tmp_path)


def where(files: HostFiles) -> str:
    return (files.proc / "irq/19/smp_affinity_list").read_text()


def test_an_interrupt_is_put_back_where_it_was(files: HostFiles) -> None:
    with HostInterrupt(19, "nic", files) as affinity:
        affinity.move(2)
        assert where(files).startswith("2")
    assert where(files) == "0-3"


def test_an_interrupt_that_is_not_there_is_an_error(files: HostFiles) -> None:
    with pytest.raises(HostError, match="interrupt 20"), HostInterrupt(20, "nic", files):
        pass


def test_a_cpu_that_this_process_may_not_use_is_refused() -> None:
    check_pins(sorted(os.sched_getaffinity(0)))
    with pytest.raises(HostError, match="CPU 4000"):
        check_pins([4000])


class Recorded(FollowingAffinity):
    """One whose trace is a pipe that the test writes."""

    def __init__(self, files: HostFiles, reported: list[Finding]) -> None:
        lines = [FollowedLine("nic", 0, 1)]
        super().__init__(GICV3, lines, (2, 3), lambda: (155, 156), reported.append, files=files)
        self._affinities[33] = HostInterrupt(19, "nic", files)
        self.fd, self.writer = os.pipe2(os.O_NONBLOCK)

    def see(self, task: int, intid: int, vcpu: int) -> None:
        line = f"python3-{task} [000] ..... 1.5: kvm_mmio: mmio write len 8 gpa "
        os.write(self.writer, f"{line}{0x8006000 + 8 * intid:#x} val {vcpu:#x}\n".encode())
        self.follow()


def test_the_hosts_interrupt_goes_where_the_vcpu_is_that_the_guest_chose(files: HostFiles) -> None:
    following = Recorded(files, [])
    following.see(155, 33, 1)
    assert where(files).startswith("3")
    following.see(155, 33, 0)
    assert where(files).startswith("2")


@pytest.mark.parametrize(("task", "intid", "vcpu"), [(99, 33, 1), (155, 34, 1), (155, 33, 2)])
def test_other_vms_other_interrupts_and_vcpus_that_are_not_there_move_nothing(
    files: HostFiles, task: int, intid: int, vcpu: int
) -> None:
    Recorded(files, []).see(task, intid, vcpu)
    assert where(files) == "0-3"


def test_moves_that_the_host_refuses_are_one_finding_for_each_line(
    files: HostFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise KernelError("moving interrupt 19 to CPU 3", 5, device="nic")

    monkeypatch.setattr(HostInterrupt, "move", refuse)
    reported: list[Finding] = []
    following = Recorded(files, reported)
    following.see(155, 33, 1)
    assert [finding.code for finding in reported] == ["affinity-not-followed"]
    following.see(155, 33, 0)
    following.see(155, 33, 1)
    assert len(reported) == 1


def test_without_new_lines_nothing_moves(files: HostFiles) -> None:
    Recorded(files, []).follow()
    assert where(files) == "0-3"
