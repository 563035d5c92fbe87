# SPDX-License-Identifier: Apache-2.0
"""Findings: whatever about a device or host is slower, weaker or impossible, with cause and remedy."""

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How bad a finding is, from harmless to impossible."""

    NOTE = "note"  # worth knowing; nothing is lost
    WARNING = "warning"  # slower or weaker than could be; an error under --strict
    REFUSAL = "refusal"  # cannot be passed


class Finding(msgspec.Struct, frozen=True):
    """`code` is stable, for programs (kebab-case: ``no-iommu``); `subject` is the device, or "host"."""

    code: str
    severity: Severity
    subject: str
    cause: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        return {
            "code": self.code,
            "severity": self.severity.value,
            "subject": self.subject,
            "cause": self.cause,
            "remedy": self.remedy,
        }

    def __str__(self) -> str:
        tail = f" ({self.remedy})" if self.remedy else ""
        return f"{self.severity}: {self.subject}: {self.cause}{tail}"
