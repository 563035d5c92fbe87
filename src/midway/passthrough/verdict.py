# SPDX-License-Identifier: Apache-2.0
"""What the findings about a device come to."""

from collections.abc import Iterable
from enum import StrEnum

from midway.findings import Finding, Severity

__all__ = ["Verdict", "verdict"]


class Verdict(StrEnum):
    """Whether a device can be passed, and whether without reservations."""

    PASSABLE = "passable"
    WITH_FINDINGS = "passable with findings"
    REFUSED = "refused"


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Notes alone leave a device passable."""
    severities = {finding.severity for finding in findings}
    if Severity.REFUSAL in severities:
        return Verdict.REFUSED
    return Verdict.WITH_FINDINGS if Severity.WARNING in severities else Verdict.PASSABLE
