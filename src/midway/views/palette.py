# SPDX-License-Identifier: Apache-2.0
"""The colours of the picture, and what each stands for; whatever they say is said in words as well."""

from dataclasses import dataclass

from midway.config import ProviderPolicy
from midway.findings import Severity
from midway.passthrough.verdict import Verdict

__all__ = [
    "BACKGROUND",
    "BORDER",
    "CARD",
    "FAINT",
    "INK",
    "KEPT",
    "MAPPED",
    "MUTED",
    "SEVERITIES",
    "TRAPPED",
    "VERDICTS",
    "Look",
    "look_of",
]

BACKGROUND, CARD, BORDER = "#f6f8fb", "#ffffff", "#d8dee8"
INK, MUTED, FAINT = "#172033", "#55627a", "#94a0b5"
MAPPED, TRAPPED = "#15803d", "#b45309"


@dataclass(frozen=True, slots=True)
class Look:
    """How a decision is drawn, and what the legend says of it."""

    word: str
    colour: str
    tint: str
    meaning: str
    dash: str = ""
    width: float = 1.6


KEPT = Look("kept", "#1d4ed8", "#e3ebfd", "goes to the guest too")
_LOOKS = {
    ProviderPolicy.FIXED: Look("fixed", "#0f766e", "#d9f2ee", "a stand-in takes its place"),
    ProviderPolicy.HELD: Look("held", "#6d28d9", "#ebe4fb", "the host keeps it on"),
    ProviderPolicy.HOST: Look("host", "#475569", "#e6eaf0", "the host does it"),
    ProviderPolicy.DROPPED: Look("dropped", "#b45309", "#fcecd2", "the guest goes without", dash="6 4"),
    ProviderPolicy.REFUSED: Look("refused", "#b91c1c", "#fbe0e0", "cannot be passed so", width=2.6),
    ProviderPolicy.TOGETHER: Look("together", "#0369a1", "#dbeffb", "passed to the same guest"),
    ProviderPolicy.CARVED: Look("carved", "#a21caf", "#f8e2fa", "reserved in the guest's RAM"),
}

SEVERITIES = {Severity.REFUSAL: "#b91c1c", Severity.WARNING: "#b45309", Severity.NOTE: "#64748b"}
VERDICTS = {
    Verdict.PASSABLE: "#15803d",
    Verdict.WITH_FINDINGS: "#b45309",
    Verdict.TOGETHER: "#0369a1",
    Verdict.REFUSED: "#b91c1c",
}


def look_of(policy: ProviderPolicy | None) -> Look:
    """None is a reference that stays within the guest."""
    return KEPT if policy is None else _LOOKS[policy]
