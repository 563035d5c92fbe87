# SPDX-License-Identifier: Apache-2.0
"""The raw layer without a VM: the example drives the boards' clocks from user space."""

import calendar
import re
import time
from pathlib import Path

from midway.lab.running import RunningBoard

EXAMPLE = Path(__file__).parents[2] / "examples/rtc.py"


def read_clock(board: RunningBoard, device: str, driver: str) -> None:
    directory = board.run(["mktemp", "-d"], check=True).text.strip()
    board.put(f"{directory}/rtc.py", EXAMPLE.read_bytes())
    before = time.time()
    text = board.run(["python3", f"{directory}/rtc.py", device], check=True, timeout=120).text
    after = time.time()
    board.run(["rm", "-r", directory], check=True)
    match = re.search(r": (.*) UTC\n(?s:.*)after (\d+) reads it said \+(\d+) s\n", text)
    assert match, text
    said = calendar.timegm(time.strptime(match[1], "%Y-%m-%d %H:%M:%S"))
    assert int(before) <= said <= after  # the emulated clocks follow this machine's
    assert int(match[2]) > 1
    assert int(match[3]) >= 1
    bound = board.run(["readlink", f"/sys/bus/{_bus(device)}/devices/{device}/driver"]).text
    assert bound.strip().rpartition("/")[2] == driver


def _bus(device: str) -> str:
    return "amba" if device.endswith(".pl031") else "platform"


def test_a_versals_clock_is_read_from_python(versal: RunningBoard) -> None:
    read_clock(versal, "f12a0000.rtc", "")


def test_a_virt_boards_clock_is_read_from_python_and_returned(virt: RunningBoard) -> None:
    read_clock(virt, "9010000.pl031", "rtc-pl031")
