# SPDX-License-Identifier: Apache-2.0
"""Choices on the way from a configuration to a machine."""

import os
from collections import namedtuple

import pytest

from midway.errors import HostError
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
