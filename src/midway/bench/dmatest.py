# SPDX-License-Identifier: Apache-2.0
"""dmatest, Linux' own test of DMA engines: copies of 4 KiB from memory to memory, each verified."""

import re

from midway.bench.outcome import Outcome, unreadable

__all__ = ["copies", "parse_copies"]

_PARAMETERS = "/sys/module/dmatest/parameters"
_SUMMARY = re.compile(r"dmatest: \S+: summary (\d+) tests, (\d+) failures ([\d.]+) iops")
_BEGIN = "midway-bench: copies begin"
_SCRIPT = """\
set -e
cd {parameters}
trap 'echo 0 >run; dmesg | tail -n 20' EXIT
trap 'kill $pause; exit 143' HUP INT TERM
echo "{begin}" >/dev/kmsg
echo 4096 >test_buf_size
echo 10000 >timeout
echo 0 >iterations
echo {channel} >channel
sleep {seconds} &
pause=$!
echo 1 >run
wait $pause
"""


def copies(channel: str, seconds: float) -> tuple[str, ...]:
    """dmatest is loaded.  It reports in the kernel's log, whose end is printed also when the script fails.

    A request to end it stops the copies, which would go on for ever.
    """
    script = _SCRIPT.format(parameters=_PARAMETERS, begin=_BEGIN, channel=channel, seconds=f"{seconds:g}")
    return ("sh", "-c", script)


def parse_copies(output: str) -> Outcome:
    """Copies and their rate.  Raises HostError, also when one of them was wrong."""
    summaries = _SUMMARY.findall(output.rpartition(_BEGIN)[2])
    if not summaries or any(int(failures) for _, failures, _ in summaries):
        raise unreadable("dmatest", output)
    done = sum(int(tests) for tests, _, _ in summaries)
    return Outcome(done, {"copies_per_s": sum(float(rate) for _, _, rate in summaries)})
