# SPDX-License-Identifier: Apache-2.0
"""What `midway bench run` accepts, and what it says to what it does not."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from midway.bench.experiment import schedule
from midway.bench.metrics import MODES
from midway.bench.modes import check_modes
from midway.bench.request import Request, parse_link
from midway.cli import main
from midway.errors import UsageError

NIC = "ff0d0000.ethernet"


def test_the_modes_take_turns() -> None:
    assert list(schedule(("native", "irqfd", "forward"), 2)) == [
        (1, "native"),
        (1, "irqfd"),
        (1, "forward"),
        (2, "native"),
        (2, "irqfd"),
        (2, "forward"),
    ]


def test_a_mode_named_twice_has_one_turn() -> None:
    assert check_modes(("forward", "native", "forward")) == ("forward", "native")


@pytest.mark.parametrize("names", [(), ("fast",), ("native", "")])
def test_modes_there_are_not_are_refused_with_those_there_are(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"they are native, userspace, irqfd, forward"):
        check_modes(names)


@pytest.mark.parametrize(
    "fault",
    [
        {"repetitions": 0},
        {"repetitions": 101},
        {"seconds": 0},
        {"seconds": 3601},
        {"iperf3_port": 0},
        {"sockperf_port": 65536},
        {"memory": 63},
        {"cpus": 9},
    ],
)
def test_a_number_beyond_its_limits_is_refused_by_name(fault: dict[str, Any]) -> None:
    ((name, value),) = fault.items()
    with pytest.raises(UsageError, match=f"^--{name.replace('_', '-')}: {value} is not from"):
        Request(device=NIC, **fault)


def test_the_peer_is_on_the_devices_network() -> None:
    link = parse_link("192.168.77.1/24", "192.168.77.2")
    assert (str(link.address), str(link.peer)) == ("192.168.77.1/24", "192.168.77.2")


@pytest.mark.parametrize(
    ("address", "peer", "says"),
    [
        (None, "192.168.77.2", "--address"),
        ("192.168.77.1/24", None, "iperf3 -s"),
        ("192.168.77.1", "192.168.77.2", "no prefix"),
        ("192.168.77.1/24", "192.168.78.2", "no other host of 192.168.77.0/24"),
        ("192.168.77.1/24", "192.168.77.1", "no other host"),
        ("192.168.77.1/24; reboot", "192.168.77.2", "reading --address"),
        ("192.168.77.1/24", "$(reboot)", "reading --address and --peer"),
        ("fe80::1/64", "fe80::2", "reading --address"),
    ],
)
def test_addresses_that_cannot_be_are_refused(address: str | None, peer: str | None, says: str) -> None:
    with pytest.raises(UsageError, match=says.replace("$", r"\$")):
        parse_link(address, peer)


def test_without_a_device_the_command_says_how_to_find_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "run"]) == 2
    assert "give --device NAME; `midway devices` lists the host's" in capsys.readouterr().err


def test_without_an_action_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["bench"])
    assert "midway bench run --help" in capsys.readouterr().err


def test_the_loads_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "run", "--list"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == ["tcp_rr", "irq_rate", "stream_default", "stream_file", "stream_bulk", "disk", "dma"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--modes", "native,fast"), "no mode is called 'fast'"),
        (("--workloads", "tcp_rr,nothing"), "no workload is called 'nothing'"),
        (("--seconds", "0"), "--seconds: 0.0 is not from 0.1 to 3600"),
        (("--peer", "192.168.77.2"), "it needs --address"),
    ],
)
def test_a_wrong_option_is_status_2_and_one_line(
    options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "run", "--device", NIC, *options]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1


def test_every_mode_but_native_has_a_vmm() -> None:
    from midway.bench.modes import vmm_for

    assert vmm_for("native") is None
    assert [vmm.mode for mode in MODES if (vmm := vmm_for(mode)) is not None] == list(MODES[1:])


def test_running_a_vm_loads_nothing_of_the_benchmark() -> None:
    program = "import sys, midway.cli.run; print([name for name in sys.modules if 'bench' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_scripts_for_guests_are_shells_own(tmp_path: Path) -> None:
    from midway.bench.image import script

    for name in ("guest-init.sh", "network.sh"):
        path = tmp_path / name
        path.write_text(script(name))
        checked = subprocess.run(["sh", "-n", path], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr
        assert os.access("/bin/sh", os.X_OK)
