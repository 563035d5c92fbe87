# SPDX-License-Identifier: Apache-2.0
"""What the findings about a device come to."""

from collections.abc import Iterable
from enum import StrEnum

from midway.findings import Finding, Severity
from midway.passthrough.routes import DevicePlan
from midway.passthrough.together import TOGETHER

__all__ = ["Verdict", "verdict", "verdict_phrase"]


class Verdict(StrEnum):
    """Whether a device can be passed, and whether without reservations."""

    PASSABLE = "passable"
    TOGETHER = "together with others"
    WITH_FINDINGS = "passable with findings"
    REFUSED = "refused"


def verdict(findings: Iterable[Finding]) -> Verdict:
    """Notes alone leave a device passable; what is passable with others counts as that, findings or not."""
    found = tuple(findings)
    severities = {finding.severity for finding in found}
    if Severity.REFUSAL in severities:
        return Verdict.REFUSED
    if any(finding.code == TOGETHER for finding in found):
        return Verdict.TOGETHER
    return Verdict.WITH_FINDINGS if Severity.WARNING in severities else Verdict.PASSABLE


def verdict_phrase(plan: DevicePlan) -> str:
    """The verdict in words, which name the others: "together with f1000000.phy"."""
    came_to = verdict(plan.findings)
    return f"together with {', '.join(plan.together)}" if came_to is Verdict.TOGETHER else came_to.value
