# SPDX-License-Identifier: Apache-2.0
"""Damaged device trees end in a plan or in a clean error; `midway.measure.fuzz` is the longer run."""

import pytest

from midway.devicetree.write import write
from midway.measure.fuzz import fuzz
from unit.dts import BOARD, compiled


@pytest.mark.timeout(120)
def test_two_thousand_damaged_trees_are_plans_or_clean_errors() -> None:
    campaign = fuzz([write(compiled(BOARD))], 2000, seed=7)
    assert campaign.ends.total() == 2000
    assert min(campaign.ends[end] for end in ("planned", "no tree")) > 200, "both ways are taken"
