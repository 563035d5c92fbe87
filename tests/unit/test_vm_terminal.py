# SPDX-License-Identifier: Apache-2.0
"""What a terminal or the host refuses, in words for the user."""

import os
import threading

import pytest

from midway.errors import HostError
from midway.vm.terminal import as_console
from midway.vm.threads import start_thread


def test_what_is_no_terminal_is_an_error_with_a_remedy() -> None:
    source, target = os.pipe()
    try:
        refused = pytest.raises(HostError, match=r"terminal to the guest: Inappropriate ioctl.*</dev/null")
        with refused, as_console(source):
            pytest.fail("it was taken")
    finally:
        os.close(source)
        os.close(target)


def test_a_thread_that_the_host_does_not_allow_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(HostError, match="starting the thread vcpu-0: can't start new thread"):
        start_thread("vcpu-0", lambda: None)
