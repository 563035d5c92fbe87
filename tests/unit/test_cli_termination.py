# SPDX-License-Identifier: Apache-2.0
"""How commands that have something to undo end when they are asked to."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from midway.cli import claim as claim_command
from midway.cli import main
from midway.cli.termination import orderly_termination
from midway.devicetree.node import Node
from midway.host.borrowing import Borrowing
from midway.host.claims import claim_lasting, claimed
from midway.host.platform import Platform

if TYPE_CHECKING:
    from unit.conftest import FakeHost

REQUESTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def unheard(number: int, _: FrameType | None) -> None:
    raise AssertionError(f"signal {number} is not handled")


@pytest.fixture(autouse=True)
def as_on_a_terminal() -> Iterator[None]:
    """Nothing is ignored, also where the tests run in the background or below nohup."""
    before = {number: signal.signal(number, unheard) for number in REQUESTS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", REQUESTS)
def test_a_request_to_stop_undoes_what_was_done_and_is_the_exit_status(number: int) -> None:
    undone = False
    with pytest.raises(SystemExit) as ended, orderly_termination():  # noqa: PT012
        try:
            signal.raise_signal(number)
        finally:
            undone = True
    assert undone
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is unheard


@pytest.mark.parametrize("number", REQUESTS)
def test_further_requests_do_not_disturb_the_undoing(number: int) -> None:
    undone = False
    with pytest.raises(SystemExit) as ended, orderly_termination():  # noqa: PT012
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(number)
            undone = True
    assert undone
    assert ended.value.code == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", REQUESTS)
def test_a_request_that_was_ignored_stays_so(number: int) -> None:
    signal.signal(number, signal.SIG_IGN)
    with orderly_termination():
        signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN


def test_a_claim_of_several_that_is_stopped_claims_none(
    fake_host: "FakeHost", small_tree: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("ff0c0000.ethernet", "ff0d0000.ethernet")
    for name in names:
        fake_host.device(name, f"/axi/ethernet@{name[:8]}", "macb")
    fake_host.driver("vfio-forward")
    fake_host.text("sys/module/vfio_forward/parameters/direct_dma", "Y\n")
    platform = Platform(fake_host.files, small_tree)
    monkeypatch.setattr(claim_command, "claim_lasting", partial(claim_lasting, platform=platform))
    look = Borrowing.look

    def look_and_ask(borrowing: Borrowing) -> object:
        if borrowing.binding.name == names[1]:
            assert [record.device for record in claimed(files=fake_host.files)] == [names[0]]
            signal.raise_signal(signal.SIGTERM)
        return look(borrowing)

    monkeypatch.setattr(Borrowing, "look", look_and_ask)
    with pytest.raises(SystemExit) as ended:
        main(["claim", *names])
    assert ended.value.code == 128 + signal.SIGTERM
    assert claimed(files=fake_host.files) == ()
    drivers = [fake_host.root / "sys/bus/platform/devices" / name / "driver" for name in names]
    assert [driver.readlink().name for driver in drivers] == ["macb", "macb"]


def test_a_request_while_a_guest_is_being_stopped_waits_until_it_is_gone() -> None:
    """The VMM asks us to stop before it ends, as a second Ctrl-C would."""
    program = """
import os
from midway.bench.guest_process import GuestProcess
from midway.cli.termination import orderly_termination
vmm = f"trap 'kill -TERM {os.getpid()}; exit 0' TERM; echo midway-bench: ready=1; read never"
try:
    with orderly_termination(), GuestProcess(["sh", "-c", vmm]) as process:
        process.expect("ready", 60)
finally:
    print(os.path.exists(f"/proc/{process.pid}"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("False\n", 128 + signal.SIGTERM)
