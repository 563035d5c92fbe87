# SPDX-License-Identifier: Apache-2.0
"""Choices on the way from a configuration to a machine."""

import os
import signal
from collections import namedtuple
from typing import cast
from unittest.mock import MagicMock

import pytest

from midway.board import planning
from midway.config import MachineConfig
from midway.errors import HostError
from midway.host.signals import heard_by
from midway.vm import machine, prepare
from midway.vm.console import Console
from midway.vm.prepare import check_architecture, choose_gic


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"), [(None, (3, 2), 3), (None, (2,), 2), (2, (3, 2), 2), (3, (3,), 3)]
)
def test_the_newest_gic_unless_another_is_asked_for(
    wanted: int | None, offered: tuple[int, ...], chosen: int
) -> None:
    assert choose_gic(wanted, offered) == chosen


def test_a_gic_the_host_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(HostError, match="this host offers GICv2"):
        choose_gic(3, (2,))


def test_a_host_that_is_not_arm64_is_sent_to_the_lab(monkeypatch: pytest.MonkeyPatch) -> None:
    names = namedtuple("names", "machine")
    monkeypatch.setattr(os, "uname", lambda: names("x86_64"))
    with pytest.raises(HostError, match=r"this is a x86_64 host.*midway lab"):
        check_architecture()


class Stop(BaseException):
    """What a request to stop raises."""


def stop(*_: object) -> None:
    raise Stop


class Opened:
    """A machine that is asked to stop while it opens its devices."""

    is_open = False

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> None:
        Opened.is_open = True
        signal.raise_signal(signal.SIGTERM)

    def __exit__(self, *_: object) -> None:
        Opened.is_open = False


def test_a_request_to_stop_while_devices_are_opened_waits_until_they_can_be_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("check_architecture", "choose_gic", "banks_of", "Kvm", "BootImages", "GuestRam"):
        monkeypatch.setattr(prepare, name, MagicMock())
    monkeypatch.setattr(planning, "plan_machine", MagicMock())
    monkeypatch.setattr(machine, "Machine", Opened)
    opening = prepare.open_machine(MachineConfig(kernel="Image"), cast(Console, None))
    with pytest.raises(Stop), heard_by(stop), opening:
        pytest.fail("it began to run")
    assert not Opened.is_open
