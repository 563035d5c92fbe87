# SPDX-License-Identifier: Apache-2.0
"""The demonstration itself."""

from midway.lab.boards import DEFAULT_BOARD
from midway.lab.demo import run_demo
from midway.lab.demo_report import failures
from midway.lab.running import RunningBoard


def test_the_demonstration_holds_all_that_it_promises(versal: RunningBoard) -> None:
    result = run_demo(versal)
    assert failures(result) == []
    assert result["board"] == DEFAULT_BOARD
    assert result["released"]["driver"] == "macb"
