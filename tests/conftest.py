# SPDX-License-Identifier: Apache-2.0
"""For all tests: what a property-based test finds must not depend on how busy the machine is, and what a
command kept from the collector is garbage after the test.
"""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()
