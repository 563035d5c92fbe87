# SPDX-License-Identifier: Apache-2.0
"""Two emulated nodes with joined NICs, and QEMU as a client of the driver on one of them."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import pytest

from midway.bench.metrics import MODES
from midway.bench.results import Results
from midway.lab.bench import NIC, guests_board
from midway.lab.bench_run import bench_on
from midway.lab.pair import BOARD_ADDRESS, PEER_ADDRESS, PREFIX_LENGTH, start_pair
from midway.lab.running import RunningBoard

LOADS = ("tcp_rr", "stream_bulk")
LINK = ("--address", f"{BOARD_ADDRESS}/{PREFIX_LENGTH}", "--peer", PEER_ADDRESS)


@pytest.fixture(scope="module")
def joined(emulation: None) -> Iterator[RunningBoard]:  # noqa: ARG001
    """A board whose spare NIC is free, and joined to the peer's."""
    with start_pair(guests_board()) as pair:
        yield pair.board


def interface_of(board: RunningBoard) -> str:
    """The board's name of the NIC that is joined to the peer's."""
    return board.run(["ls", f"/sys/bus/platform/devices/{NIC}/net"], check=True).text.strip()


@pytest.fixture
def linked(joined: RunningBoard) -> Iterator[RunningBoard]:
    """The same while its NIC is up and has its address."""
    nic = interface_of(joined)
    joined.run(["ip", "address", "add", LINK[1], "dev", nic], check=True)
    joined.run(["ip", "link", "set", nic, "up"], check=True)
    yield joined
    joined.run(["ip", "address", "flush", "dev", nic], check=True)
    joined.run(["ip", "link", "set", nic, "down"], check=True)


@pytest.mark.usefixtures("no_board")
def test_the_board_reaches_the_peer_over_the_joined_nic(linked: RunningBoard) -> None:
    done = linked.run(["ping", "-c", "3", "-i", "0.2", "-W", "30", PEER_ADDRESS])
    assert "3 received" in done.text


@pytest.mark.usefixtures("no_board")
def test_the_peer_serves_iperf3(linked: RunningBoard) -> None:
    done = linked.run(["iperf3", "--client", PEER_ADDRESS, "--time", "1", "--json"], check=True)
    assert json.loads(done.stdout)["end"]["sum_received"]["bytes"] > 0


@pytest.mark.usefixtures("no_board")
def test_the_peer_serves_sockperf(linked: RunningBoard) -> None:
    done = linked.run(["sockperf", "ping-pong", "--tcp", "-i", PEER_ADDRESS, "-t", "1"], check=True)
    assert "Summary: Latency is" in done.text


class Measured(NamedTuple):
    """`before` and `after` are the driver of the NIC, and its interface's state and addresses."""

    results: Results
    before: tuple[str, str]
    after: tuple[str, str]


@pytest.fixture(scope="module")
def measured(joined: RunningBoard) -> Measured:
    """Two short loads in every mode."""
    options = ("--device", NIC, *LINK, "--modes", ",".join(MODES), "--workloads", ",".join(LOADS))
    interface = interface_of(joined)
    before = state_of(joined, interface)
    part = bench_on(joined, [*options, "--repetitions", "1", "--seconds", "1"], timeout=900)
    assert part.failure is None
    return Measured(msgspec.convert(part.results, Results), before, state_of(joined, interface))


def state_of(board: RunningBoard, interface: str) -> tuple[str, str]:
    driver = board.run(["readlink", f"/sys/bus/platform/devices/{NIC}/driver"], check=True).text
    return driver.strip().rpartition("/")[2], board.run(["ip", "-brief", "addr", "show", interface]).text


@pytest.mark.usefixtures("no_board")
def test_every_mode_carries_the_loads_over_the_same_nic(measured: Measured) -> None:
    runs = measured.results.runs
    assert {(run.mode, run.workload) for run in runs} == {(mode, load) for mode in MODES for load in LOADS}
    for run in runs:
        assert run.counts.operations > 0
        assert run.counts.host_interrupts > 0
    assert measured.results.machine.emulated
    assert {"kernel", "midway", "sockperf", "iperf3"} <= set(measured.results.machine.versions)


@pytest.mark.usefixtures("no_board")
def test_a_guest_has_every_interrupt_that_the_host_has(measured: Measured) -> None:
    for run in measured.results.runs:
        if run.mode in ("userspace", "irqfd", "forward"):
            assert run.counts.guest_interrupts == run.counts.host_interrupts
        elif run.mode == "native":
            assert run.counts.guest_interrupts is None


@pytest.mark.usefixtures("no_board")
def test_no_forwarded_interrupt_of_a_load_goes_to_user_space(measured: Measured) -> None:
    forwarded = [run.counts for run in measured.results.runs if run.mode == "forward"]
    assert [counts.user_exits for counts in forwarded] == [0] * len(LOADS)
    assert all(counts.exits for counts in forwarded)


@pytest.mark.usefixtures("no_board")
def test_the_nic_is_given_back_as_it_was(measured: Measured) -> None:
    assert measured.before == measured.after
    assert measured.before[0] == "macb"


@pytest.mark.usefixtures("no_board")
def test_of_qemus_guest_exits_are_counted_too(measured: Measured) -> None:
    for counts in (run.counts for run in measured.results.runs if run.mode == "qemu"):
        assert counts.exits
        assert counts.guest_interrupts


@pytest.mark.usefixtures("no_board", "measured")
def test_after_qemu_the_driver_keeps_out_clients_that_verify_nothing(joined: RunningBoard) -> None:
    assert joined.get("/sys/module/vfio_forward/parameters/direct_unverified") == b"N\n"
