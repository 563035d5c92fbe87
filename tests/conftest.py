# SPDX-License-Identifier: Apache-2.0
"""For all tests: what a property-based test finds must not depend on how busy the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
