# SPDX-License-Identifier: Apache-2.0
"""The loads of a benchmark: what is run for each, and which are chosen."""

import subprocess
from pathlib import Path

import pytest

from midway.bench.workloads import WORKLOADS, Kind, Place, Target, check_seconds, named, workloads_for
from midway.errors import UsageError

TARGET = Target(seconds=5, peer="192.168.77.2")


def command(name: str, place: Place | None = None) -> str:
    (workload,) = named([name])
    return " ".join(workload.command(TARGET, place or Place()))


def test_round_trips_are_sockperfs_smallest_messages_over_tcp() -> None:
    assert command("tcp_rr") == (
        "sockperf ping-pong --tcp --ip 192.168.77.2 --port 11111 --msg-size 14 --time 5 --full-rtt"
    )


def test_the_interrupt_load_is_as_many_small_messages_as_go() -> None:
    assert command("irq_rate") == (
        "sockperf under-load --tcp --ip 192.168.77.2 --port 11111 --msg-size 14 --time 5"
        " --mps max --reply-every 100"
    )


@pytest.mark.parametrize(
    ("pattern", "buffers", "sends"), [("default", 8, 8), ("file", 8, 4), ("bulk", 64, 8)]
)
def test_the_streams_have_the_three_patterns(pattern: str, buffers: int, sends: int) -> None:
    assert command(f"stream_{pattern}") == (
        f"iperf3 --client 192.168.77.2 --port 5201 --time 5 --window {buffers}K --length {sends}K"
        " --json --interval 0"
    )


def test_a_disk_is_read_directly_one_block_at_a_time_and_never_written() -> None:
    words = command("disk", Place(disk="/dev/vda")).split()
    assert words[0] == "fio"
    assert {"--filename=/dev/vda", "--readonly", "--rw=randread", "--bs=4k", "--direct=1"} <= set(words)
    assert "--runtime=5" in words


def test_a_dma_engine_copies_for_as_long_as_it_is_told() -> None:
    script = command("dma", Place(channel="dma3chan0"))
    assert "echo dma3chan0 >channel" in script
    assert "sleep 5 &\n" in script


def test_copies_stop_when_their_script_is_asked_to_end(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("0")
    words = named(["dma"])[0].command(Target(seconds=3600), Place(channel="dma0chan0"))
    script = words[-1].replace("/sys/module/dmatest/parameters", str(tmp_path)).replace("/dev/kmsg", "log")
    watched = script.replace("echo 1 >run\n", "echo 1 >run\necho begun\n")
    with subprocess.Popen([*words[:-1], watched], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        assert (tmp_path / "run").read_text() == "1\n"
        process.terminate()
    assert (tmp_path / "run").read_text() == "0\n"


def test_a_device_gets_the_loads_of_its_kind() -> None:
    assert [workload.name for workload in workloads_for(Kind.DISK)] == ["disk"]
    network = [workload.name for workload in workloads_for(Kind.NETWORK)]
    assert network == ["tcp_rr", "irq_rate", "stream_default", "stream_file", "stream_bulk"]


def test_a_name_given_twice_is_one_load() -> None:
    assert [workload.name for workload in named(["disk", "disk"])] == ["disk"]


@pytest.mark.parametrize("names", [["tcp_rr", "nonsense"], []])
def test_an_unknown_load_is_refused_with_those_there_are(names: list[str]) -> None:
    with pytest.raises(UsageError, match="no workload") as refused:
        named(names)
    assert all(workload.name in str(refused.value) for workload in WORKLOADS)


def test_loads_of_several_kinds_of_device_are_refused() -> None:
    with pytest.raises(UsageError, match="several kinds of device"):
        named(["tcp_rr", "disk"])


@pytest.mark.parametrize("kind", [Kind.NETWORK, Kind.DISK])
def test_a_load_whose_tool_counts_whole_seconds_takes_no_fraction(kind: Kind) -> None:
    check_seconds(kind, 2.0)
    with pytest.raises(UsageError, match=r"takes no 0\.5 seconds"):
        check_seconds(kind, 0.5)


def test_copies_run_for_a_fraction_of_a_second() -> None:
    check_seconds(Kind.DMA, 0.2)
    (copies,) = named(["dma"])
    assert "\nsleep 0.2 &\n" in copies.command(Target(seconds=0.2), Place())[-1]
