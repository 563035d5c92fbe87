# SPDX-License-Identifier: Apache-2.0
"""The driver as any VFIO client sees it: a C program that knows nothing of Midway drives its raw ABI.

Devices are bound and unbound here by what sysfs offers, so that the driver is judged by itself.
"""

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from midway.devicetree.node import Node, cells, strings
from midway.devicetree.read import read
from midway.devicetree.write import write as write_tree
from midway.lab.board_tree import board_tree
from midway.lab.boards import board_named
from midway.lab.connection import Completed, Process
from midway.lab.running import RunningBoard, start_board

PROGRAM = Path(__file__).parent / "programs/vfio_abi"
HEADERS = Path(__file__).resolve().parents[2] / "drivers/vfio-forward"
MODULE = "/opt/midway/drivers/vfio-forward.ko"
CLIENT = "/tmp/vfio-abi"  # noqa: S108  # on the board, where nobody else is
TAINT_USER = 1 << 6
FREE_HUGE_PAGES = "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages"
COMPLAINTS = re.compile(
    r"WARNING:|BUG:|Oops|Call trace|Unable to handle|Flags mismatch|nobody cared|refcount|Unbalanced|leak",
    re.I,
)


@dataclass(frozen=True)
class Subject:
    """A device and what is true of it; `facts` is for the client, see struct subject there."""

    name: str
    bus: str = "platform"
    facts: dict[str, int] = field(default_factory=dict)

    @property
    def directory(self) -> str:
        return f"/sys/bus/{self.bus}/devices/{self.name}"

    @property
    def driver(self) -> str:
        return f"/sys/bus/{self.bus}/drivers/vfio-forward"


PAGE = {"regions": 1, "lines": 1, "size": 4096, "mappable": 1, "level": 1}
SLOT = {"regions": 1, "lines": 1, "size": 512}
# A Cadence MAC: its node lists one interrupt twice, which VFIO shows once; 0xfc is its identification, behind
# 0x640 is nothing.
NIC = Subject("ff0d0000.ethernet", facts=PAGE | {"direct": 1, "constant": 0xFC, "hole": 0xFFC})
DMA_ENGINE = Subject("ffa80000.dma", facts=PAGE | {"direct": 1})
EDGE_SLOT = Subject("a0000400.virtio_mmio", facts=SLOT | {"direct": 1})
DISK_BEHIND_SMMU = Subject("a001000.virtio_mmio", facts=SLOT | {"level": 1})
# A PL031; 0xfe0 is the first word of its identification.
RTC_ON_AMBA = Subject("9010000.pl031", bus="amba", facts=PAGE | {"direct": 1, "constant": 0xFE0})
RESET_SLOTS = [
    Subject(f"{slot}.virtio_mmio", facts=SLOT | {"level": 1, "direct": 1}) for slot in ("a000800", "a000a00")
]

ON_VERSAL = [
    *((NIC, command) for command in ("opening", "information", "registers", "lines", "features", "direct")),
    (DMA_ENGINE, "interrupts"),
    *((EDGE_SLOT, command) for command in ("information", "registers", "lines")),
]
ON_VIRT = [
    *(
        (DISK_BEHIND_SMMU, command)
        for command in ("opening", "information", "registers", "lines", "features")
    ),
    *((RTC_ON_AMBA, command) for command in ("information", "registers", "lines")),
]


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory, emulation: None) -> bytes:  # noqa: ARG001
    compiler = shutil.which("aarch64-linux-gnu-gcc-12")
    assert compiler, "apt-get install gcc-12-aarch64-linux-gnu libc6-dev-arm64-cross"
    output = tmp_path_factory.mktemp("vfio-abi") / "vfio-abi"
    flags = ["-std=gnu11", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    sources = [str(file) for file in sorted(PROGRAM.glob("*.c"))]
    subprocess.run([compiler, *flags, f"-I{HEADERS}", "-o", str(output), *sources], check=True)
    return output.read_bytes()


@contextmanager
def silent_kernel(board: RunningBoard) -> Iterator[None]:
    """The kernel finds nothing to complain about meanwhile."""
    marker = f"here begins {uuid.uuid4()}"
    assert write(board, "/dev/kmsg", marker).status == 0
    yield
    _, found, said = board.run(["dmesg"], check=True).text.partition(marker)
    assert found, "the kernel has said more than it remembers"
    assert not COMPLAINTS.search(said), said


@pytest.fixture
def on_versal(versal: RunningBoard, client: bytes) -> Iterator[RunningBoard]:
    versal.put(CLIENT, client, 0o755)
    with silent_kernel(versal):
        yield versal


@pytest.fixture
def on_virt(virt: RunningBoard, client: bytes) -> Iterator[RunningBoard]:
    virt.put(CLIENT, client, 0o755)
    with silent_kernel(virt):
        yield virt


def write(board: RunningBoard, path: str, value: str) -> Completed:
    return board.run(["tee", path], stdin=f"{value}\n".encode(), timeout=60)


def link(board: RunningBoard, path: str) -> str:
    return board.run(["readlink", path]).text.strip().rpartition("/")[2]


def take(board: RunningBoard, subject: Subject) -> Completed:
    """Take the device from its driver, if it has one; the answer to the attempt to bind it to ours."""
    if link(board, f"{subject.directory}/driver"):
        assert write(board, f"{subject.directory}/driver/unbind", subject.name).status == 0
    assert write(board, f"{subject.directory}/driver_override", "vfio-forward").status == 0
    return write(board, f"{subject.driver}/bind", subject.name)


def give_back(board: RunningBoard, subject: Subject) -> None:
    if link(board, f"{subject.directory}/driver") == "vfio-forward":
        assert write(board, f"{subject.driver}/unbind", subject.name).status == 0
    assert write(board, f"{subject.directory}/driver_override", "").status == 0
    assert write(board, f"/sys/bus/{subject.bus}/drivers_probe", subject.name).status == 0


@contextmanager
def bound(board: RunningBoard, subject: Subject) -> Iterator[str]:
    """The path of the device's VFIO group while it is bound; then it is as before."""
    native = link(board, f"{subject.directory}/driver")
    answer = take(board, subject)
    try:
        assert answer.status == 0, answer.stderr
        yield f"/dev/vfio/{link(board, f'{subject.directory}/iommu_group')}"
    finally:
        give_back(board, subject)
    assert link(board, f"{subject.directory}/driver") == native


def arguments(group: str, subject: Subject, command: str, **more: int) -> list[str]:
    facts = subject.facts | more
    return [CLIENT, command, group, subject.name, *(f"{name}={value}" for name, value in facts.items())]


def check(board: RunningBoard, group: str, subject: Subject, command: str, **more: int) -> None:
    done = board.run(arguments(group, subject, command, **more), timeout=240)
    wrong = [line for line in done.text.splitlines() if not line.startswith("ok ")]
    assert (wrong, done.status) == ([], 0), done.stderr
    assert done.text, "the client checked nothing"


def reload_driver(board: RunningBoard, *parameters: str) -> None:
    board.run(["rmmod", "vfio_forward"], check=True)
    board.run(["insmod", MODULE, *parameters], check=True)


def hold(board: RunningBoard, group: str, subject: Subject) -> Process:
    """A client that has the device open and its line in use, until its input ends."""
    process = board.start(arguments(group, subject, "hold"))
    first = next(process.frames(timeout=60))
    assert first.payload == b"open\n"
    return process


def nothing_left(board: RunningBoard) -> bool:
    users = board.get("/sys/module/vfio_forward/refcnt").strip()
    return users == b"0" and b"vfio-forward" not in board.get("/proc/interrupts")


@pytest.mark.parametrize(("subject", "command"), ON_VERSAL, ids=lambda value: getattr(value, "name", value))
def test_the_versal_boards_devices_answer_as_the_abi_says(
    on_versal: RunningBoard, subject: Subject, command: str
) -> None:
    with bound(on_versal, subject) as group:
        check(on_versal, group, subject, command)
        assert nothing_left(on_versal)


@pytest.mark.parametrize(("subject", "command"), ON_VIRT, ids=lambda value: getattr(value, "name", value))
def test_the_virt_boards_devices_answer_as_the_abi_says(
    on_virt: RunningBoard, subject: Subject, command: str
) -> None:
    with bound(on_virt, subject) as group:
        check(on_virt, group, subject, command)
        assert nothing_left(on_virt)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_requests_do_the_host_no_harm(on_versal: RunningBoard, seed: int) -> None:
    with bound(on_versal, NIC) as group:
        check(on_versal, group, NIC, "fuzz", seed=seed, count=100_000)
        assert nothing_left(on_versal)


def test_a_client_that_does_not_know_direct_is_let_in_where_the_administrator_says_so(
    on_versal: RunningBoard,
) -> None:
    parameter = "/sys/module/vfio_forward/parameters/direct_unverified"
    assert write(on_versal, parameter, "1").status == 0
    try:
        with bound(on_versal, NIC) as group:
            check(on_versal, group, NIC, "registers", unverified=1)
    finally:
        assert write(on_versal, parameter, "0").status == 0


def test_random_requests_to_a_device_behind_an_iommu_do_no_harm(on_virt: RunningBoard) -> None:
    with bound(on_virt, DISK_BEHIND_SMMU) as group:
        check(on_virt, group, DISK_BEHIND_SMMU, "fuzz", seed=4, count=100_000)
        assert nothing_left(on_virt)


def test_everything_at_once_does_the_host_no_harm(on_versal: RunningBoard) -> None:
    free_before = on_versal.get(FREE_HUGE_PAGES)
    with bound(on_versal, DMA_ENGINE) as group:
        check(on_versal, group, DMA_ENGINE, "race", count=1000)
        assert nothing_left(on_versal)
    assert on_versal.get(FREE_HUGE_PAGES) == free_before


def test_two_hundred_uses_leave_nothing_behind(on_versal: RunningBoard) -> None:
    with bound(on_versal, NIC) as group:
        check(on_versal, group, NIC, "cycles", count=200)
        assert nothing_left(on_versal)
    reload_driver(on_versal, "direct_dma=1")


def test_a_line_in_use_is_listed_with_its_device(on_versal: RunningBoard) -> None:
    with bound(on_versal, NIC) as group:
        process = hold(on_versal, group, NIC)
        assert f"vfio-forward:{NIC.name}[0]".encode() in on_versal.get("/proc/interrupts")
        process.close_input()
        assert process.wait(timeout=60) == 0
        assert nothing_left(on_versal)


def test_a_killed_client_leaves_nothing_behind(on_versal: RunningBoard) -> None:
    with bound(on_versal, NIC) as group:
        process = hold(on_versal, group, NIC)
        process.signal(9)
        assert process.wait(timeout=60) == -9
        assert nothing_left(on_versal)


def test_an_unbind_waits_for_the_last_user(on_versal: RunningBoard) -> None:
    with bound(on_versal, NIC) as group:
        process = hold(on_versal, group, NIC)
        try:
            unbind = on_versal.start(["tee", f"{NIC.driver}/unbind"])
            unbind.write(NIC.name.encode())
            unbind.close_input()
            with pytest.raises(TimeoutError):
                unbind.wait(timeout=1)
            assert b"vfio-forward" in on_versal.get("/proc/interrupts")
        finally:
            process.close_input()
        assert process.wait(timeout=60) == 0
        assert unbind.wait(timeout=60) == 0
        assert link(on_versal, f"{NIC.directory}/driver") == ""
        assert nothing_left(on_versal)


def test_direct_dma_taints_the_kernel(on_versal: RunningBoard) -> None:
    with bound(on_versal, NIC) as group:
        check(on_versal, group, NIC, "cycles", count=1)
    assert int(on_versal.get("/proc/sys/kernel/tainted")) & TAINT_USER


def test_the_rates_of_a_devices_clocks_are_shown_in_the_nodes_order(on_versal: RunningBoard) -> None:
    with bound(on_versal, NIC):
        rates = on_versal.get(f"{NIC.directory}/vfio_forward/clock_rates")
    assert rates == b"25000000 25000000 125000000 125000000\n"


def test_a_device_without_clocks_has_no_rates(on_versal: RunningBoard) -> None:
    with bound(on_versal, EDGE_SLOT):
        assert on_versal.get(f"{EDGE_SLOT.directory}/vfio_forward/clock_rates") == b"\n"


def test_without_an_iommu_a_device_is_refused_unless_the_administrator_agreed(
    on_versal: RunningBoard,
) -> None:
    reload_driver(on_versal)
    try:
        answer = take(on_versal, DMA_ENGINE)
        assert answer.status != 0
        assert b"Operation not permitted" in answer.stderr
        assert (
            "no IOMMU; needs the module parameter direct_dma=1" in on_versal.run(["dmesg"], check=True).text
        )
    finally:
        give_back(on_versal, DMA_ENGINE)
        reload_driver(on_versal, "direct_dma=1")


def test_a_device_is_not_taken_without_driver_override(on_versal: RunningBoard) -> None:
    answer = write(on_versal, f"{DMA_ENGINE.driver}/bind", DMA_ENGINE.name)
    assert answer.status != 0
    assert b"No such device" in answer.stderr


def add_resets(tree: bytes, slots: int) -> bytes:
    """A reset controller, and two of its lines, the same ones, for some of the virtio slots.

    Its register is one of the clock that is not used here and keeps what is written.
    """
    root = read(tree)
    root.children = [node for node in root.children if not node.name.startswith("pl031")]
    properties = {
        "compatible": strings("snps,dw-high-reset"),
        "reg": cells(0, 0x9010004, 0, 4),
        "#reset-cells": cells(1),
        "phandle": cells(0x9001),
    }
    root.children.append(Node("reset-controller@9010004", properties))
    clock = next(node for _, node in root.walk() if node.name.startswith("apb-pclk"))
    for subject in RESET_SLOTS[:slots]:
        node = root.child(f"virtio_mmio@{subject.name.partition('.')[0]}")
        assert node is not None
        node.properties["resets"] = cells(0x9001, 3, 0x9001, 5)
        node.properties["clocks"] = clock.properties["phandle"]
    return write_tree(root)


def trace_of_a_use(board: RunningBoard, subject: Subject) -> list[str]:
    """What the kernel does to the device's clocks and resets while it is opened and closed."""
    tracing = "/sys/kernel/tracing"
    board.run(["mount", "-t", "tracefs", "none", tracing])
    functions = "reset_simple_assert reset_simple_deassert clk_prepare clk_unprepare"
    for name, value in (("set_ftrace_filter", functions), ("current_tracer", "function"), ("trace", "")):
        assert write(board, f"{tracing}/{name}", value).status == 0
    with bound(board, subject) as group:
        check(board, group, subject, "cycles", count=1)
    lines = board.get(f"{tracing}/trace").decode().splitlines()
    assert write(board, f"{tracing}/current_tracer", "nop").status == 0
    calls = [
        line.rpartition(": ")[2].partition(" ")[0] for line in lines if " <-" in line and "vfio-abi" in line
    ]
    return [call.removeprefix("reset_simple_") for call in calls]


@pytest.fixture
def board_with_resets(
    no_board: None,  # noqa: ARG001
    request: pytest.FixtureRequest,
    client: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[RunningBoard]:
    """A `virt` board of which as many slots have reset lines as the test's parameter says."""
    altered = "midway.lab.emulator.board_tree"
    monkeypatch.setattr(altered, lambda *given: add_resets(board_tree(*given), request.param))
    with start_board(board_named("virt")) as board:
        board.put(CLIENT, client, 0o755)
        with silent_kernel(board):
            yield board


PULSE = ["assert"] * 2 + ["deassert"] * 2


@pytest.mark.parametrize("board_with_resets", [1], indirect=True)
def test_a_device_with_resets_of_its_own_is_reset_at_open_on_demand_and_at_close(
    board_with_resets: RunningBoard,
) -> None:
    subject = RESET_SLOTS[0]
    with bound(board_with_resets, subject) as group:
        check(board_with_resets, group, subject, "information", reset=1)
        rates = board_with_resets.get(f"{subject.directory}/vfio_forward/clock_rates")
    assert rates == b"24000000\n"
    assert trace_of_a_use(board_with_resets, subject) == ["clk_prepare", *PULSE, *PULSE, "clk_unprepare"]


@pytest.mark.parametrize("board_with_resets", [2], indirect=True)
def test_resets_that_two_devices_share_are_only_kept_released(board_with_resets: RunningBoard) -> None:
    first, second = RESET_SLOTS
    with bound(board_with_resets, second) as group:
        check(board_with_resets, group, second, "information", reset=0)
        neighbour = hold(board_with_resets, group, second)
        # The neighbour has them released, so nothing at all happens to the lines.
        assert trace_of_a_use(board_with_resets, first) == ["clk_prepare", "clk_unprepare"]
        neighbour.close_input()
        assert neighbour.wait(timeout=60) == 0
    expected = ["clk_prepare", "deassert", "deassert", "assert", "assert", "clk_unprepare"]
    assert trace_of_a_use(board_with_resets, first) == expected
