# SPDX-License-Identifier: Apache-2.0
"""Damaged device trees end in a plan or in a clean error; `midway.measure.fuzz` is the longer run."""

from pathlib import Path

import pytest

from midway.devicetree.write import write
from midway.measure.fuzz import fuzz, main
from unit.dts import BOARD, compiled


@pytest.mark.timeout(120)
def test_two_thousand_damaged_trees_are_plans_or_clean_errors() -> None:
    campaign = fuzz([write(compiled(BOARD))], 2000, seed=7)
    assert campaign.ends.total() == 2000
    assert min(campaign.ends[end] for end in ("planned", "no tree")) > 200, "both ways are taken"


def test_a_directory_without_trees_is_an_error_of_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--trees", str(tmp_path)]) == 1
    assert "it has no .dtb" in capsys.readouterr().err
