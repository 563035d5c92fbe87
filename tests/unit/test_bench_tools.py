# SPDX-License-Identifier: Apache-2.0
"""What the tools of a benchmark print, as they printed it, and what is read from it."""

from collections.abc import Callable

import pytest

from midway.bench import dmatest, fio, iperf3, sockperf
from midway.bench.outcome import Outcome, plain_text
from midway.errors import GuestError, HostError

# sockperf 3.7 ping-pong --tcp --msg-size 14 --time 1 --full-rtt
PING_PONG = """\
sockperf: \x1b[2;35m== version #3.7-no.git == \x1b[0m
sockperf: [Total Run] RunTime=1.000 sec; Warm up time=400 msec; SentMessages=20411; ReceivedMessages=20410
sockperf: ========= Printing statistics for Server No: 0
sockperf: [Valid Duration] RunTime=0.550 sec; SentMessages=15701; ReceivedMessages=15701
sockperf: \x1b[2;35m====> avg-rtt=35.015 (std-dev=278.270)\x1b[0m
sockperf: # dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0
sockperf: Summary: Round trip is 35.015 usec
sockperf: ---> <MAX> observation = 13108.885
sockperf: ---> percentile 99.999 = 13108.885
sockperf: ---> percentile 99.990 = 6960.507
sockperf: ---> percentile 99.900 = 4570.027
sockperf: ---> percentile 99.000 =   91.915
sockperf: ---> percentile 90.000 =   15.092
sockperf: ---> percentile 75.000 =   14.441
sockperf: ---> percentile 50.000 =   13.790
sockperf: ---> percentile 25.000 =   13.690
"""

# … under-load --mps max --reply-every 100
UNDER_LOAD = """\
sockperf: [Total Run] RunTime=1.000 sec; Warm up time=400 msec; SentMessages=402179; ReceivedMessages=4021
sockperf: [Valid Duration] RunTime=0.548 sec; SentMessages=232101; ReceivedMessages=2322
"""

# … when the time was too short for it
NOTHING_VALID = """\
sockperf: [Total Run] RunTime=1.003 sec; Warm up time=400 msec; SentMessages=33986; ReceivedMessages=33985
sockperf: No valid observations found. Try tune parameters: --time/--mps/--reply-every
"""

# iperf3 3.12 --client … --window 8K --length 4K --json --interval 0
STREAM = """\
{ "end": {
    "sum_sent": { "start": 0, "end": 1.000828, "seconds": 1.000828, "bytes": 47521792,
        "bits_per_second": 379859812.0756014, "retransmits": 10, "sender": true },
    "sum_received": { "start": 0, "end": 1.006325, "seconds": 1.006325, "bytes": 47505408,
        "bits_per_second": 377654598.6634537, "sender": true },
    "sender_tcp_congestion": "bbr", "receiver_tcp_congestion": "bbr" } }
"""
REFUSED = (
    '{ "start": {}, "intervals": [], "end": {}, "error": "unable to connect to server: Connection refused" }'
)

# fio 3.33 --rw=randread --bs=4k --direct=1 --ioengine=psync --output-format=json
READS = """\
fio: a warning that came first
{ "fio version": "fio-3.33", "jobs": [ { "jobname": "disk", "error": 0, "read": {
    "iops": 36144.290123, "runtime": 1296, "total_ios": 46843,
    "clat_ns": { "min": 972, "percentile": { "1.000000": 1020, "50.000000": 1240, "90.000000": 1368,
        "95.000000": 1400, "99.000000": 1480, "99.900000": 15680, "99.990000": 28180480 } } } } ] }
"""

# Linux 6.1
COPIES = """\
[   30.1] dmatest: dma0chan0-copy0: summary 9 tests, 1 failures 8.00 iops 9 KB/s (0)
[   81.7] midway-bench: copies begin
[   81.8] dmatest: Added 1 threads using dma0chan0
[   82.8] dmatest: dma0chan0-copy0: summary 3931 tests, 0 failures 3928.19 iops 8045 KB/s (0)
"""


def test_round_trips_are_all_that_were_made_and_their_rate_that_of_the_steady_time() -> None:
    outcome = sockperf.parse_ping_pong(PING_PONG)
    assert outcome.operations == 20410
    assert outcome.rates == {
        "transactions_per_s": 15701 / 0.550,
        "latency_p50_us": 13.790,
        "latency_p90_us": 15.092,
        "latency_p99_us": 91.915,
        "latency_p99_9_us": 4570.027,
    }


def test_packets_are_those_sent_and_those_that_came_back() -> None:
    outcome = sockperf.parse_under_load(UNDER_LOAD)
    assert outcome.operations == 402179 + 4021
    assert outcome.rates == {"packets_per_s": 406200.0}


def test_a_stream_is_what_arrived() -> None:
    outcome = iperf3.parse_stream(STREAM)
    assert outcome.operations == 47505
    assert outcome.rates == {"megabits_per_s": pytest.approx(377.654599), "retransmits": 10.0}


def test_a_stream_that_failed_says_why_in_the_tools_words() -> None:
    with pytest.raises(HostError, match="what iperf3 measured: unable to connect to server"):
        iperf3.parse_stream(REFUSED)


def test_reads_are_counted_and_their_times_in_microseconds() -> None:
    outcome = fio.parse_reads(READS)
    assert outcome.operations == 46843
    assert outcome.rates == {
        "reads_per_s": 36144.290123,
        "latency_p50_us": 1.24,
        "latency_p90_us": 1.368,
        "latency_p99_us": 1.48,
        "latency_p99_9_us": 15.68,
    }


def test_copies_are_those_of_this_load_in_the_kernels_log() -> None:
    outcome = dmatest.parse_copies(COPIES)
    assert outcome == (3931, {"copies_per_s": 3928.19})


def test_a_wrong_copy_is_an_error() -> None:
    with pytest.raises(HostError, match="3931 tests, 2 failures"):
        dmatest.parse_copies(COPIES.replace("3931 tests, 0 failures", "3931 tests, 2 failures"))


@pytest.mark.parametrize(
    ("parse", "output"),
    [
        (sockperf.parse_ping_pong, NOTHING_VALID),
        (sockperf.parse_under_load, "sockperf: ERROR: Failed to connect"),
        (iperf3.parse_stream, ""),
        (fio.parse_reads, "fio: cannot open /dev/vda"),
        (dmatest.parse_copies, "[ 81.7] midway-bench: copies begin"),
    ],
)
def test_output_without_a_result_is_an_error(parse: Callable[[str], Outcome], output: str) -> None:
    with pytest.raises(HostError, match="reading what"):
        parse(output)


def test_what_a_guest_packed_is_unpacked_and_damage_is_an_error() -> None:
    packed = "H4sIAAAAAAAAA8tIzcnJVyjPL8pJ4QIALTsIrwwAAAA="  # echo hello world | gzip | base64
    with pytest.raises(GuestError, match="reading what a guest's tool said"):
        plain_text(packed[:-8])
    with pytest.raises(GuestError, match="reading what a guest's tool said"):
        plain_text("no base64!")
    assert plain_text(packed) == "hello world\n"
