# SPDX-License-Identifier: Apache-2.0
"""Every device of a host with its verdict, for the commands that list them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from midway.board.describe import device_as_json
from midway.cli.host_view import HostView
from midway.errors import PlanError, TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice, Line, Region
from midway.host.platform import Platform
from midway.host.usage import usage
from midway.passthrough.planner import assess
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import Verdict, verdict, verdict_phrase

__all__ = ["Assessed", "assessed_as_json", "assessed_devices", "deciding_codes", "summary_of"]

_DECIDING = {Verdict.REFUSED: Severity.REFUSAL, Verdict.WITH_FINDINGS: Severity.WARNING}


@dataclass(frozen=True, slots=True)
class Assessed:
    """A device, its plan when it can be planned, what speaks against it, and what the host uses it for."""

    device: HostDevice
    plan: DevicePlan | None
    findings: tuple[Finding, ...]
    in_use: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        return verdict(self.findings)

    @property
    def phrase(self) -> str:
        """The verdict in words."""
        return self.verdict.value if self.plan is None else verdict_phrase(self.plan)


def assessed_devices(view: HostView) -> Iterator[Assessed]:
    """All devices of the host, in order; one that cannot even be planned is refused."""
    platform = Platform(tree=view.host.tree.root) if view.is_live else None
    for device in view.host.devices:
        in_use = () if platform is None else usage(platform, device.name)
        try:
            plan = assess(device, view.host)
        except (PlanError, TreeError) as error:
            cause = f"{error.attempted}: {error.answer}" if error.answer else error.attempted
            finding = Finding("not-plannable", Severity.REFUSAL, device.name, cause, error.remedy or "")
            yield Assessed(device, None, (finding,), in_use)
        else:
            yield Assessed(device, plan, plan.findings, in_use)


def deciding_codes(entry: Assessed) -> list[str]:
    """The codes of the findings that made the verdict."""
    severity = _DECIDING.get(entry.verdict)
    return sorted({finding.code for finding in entry.findings if finding.severity is severity})


def summary_of(entries: Sequence[Assessed]) -> dict[str, Any]:
    """How many devices there are, by verdict, and by each code that refused or reserved one."""
    return {
        "devices": len(entries),
        "verdicts": {kind.value: sum(entry.verdict is kind for entry in entries) for kind in Verdict},
        "causes": {
            kind.value: dict(
                Counter(
                    code for entry in entries if entry.verdict is kind for code in deciding_codes(entry)
                ).most_common()
            )
            for kind in _DECIDING
        },
    }


def assessed_as_json(entry: Assessed) -> dict[str, Any]:
    """Sizes and addresses in bytes; the routes only of a device that could be planned."""
    device, routes = entry.device, {} if entry.plan is None else device_as_json(entry.plan)
    return {
        **routes,
        "name": device.name,
        "bus": device.bus.value,
        "node": device.node_path,
        "compatible": list(device.compatible),
        "driver": device.driver,
        "regions": [_region_as_json(region) for region in device.regions],
        "lines": [_line_as_json(line) for line in device.lines],
        "iommu_group": device.iommu_group,
        "verdict": entry.verdict.value,
        "together": [] if entry.plan is None else list(entry.plan.together),
        "findings": [finding.as_json() for finding in entry.findings],
        "in_use": [finding.as_json() for finding in entry.in_use],
    }


def _region_as_json(region: Region) -> dict[str, int | str | None]:
    return {"index": region.index, "name": region.name, "address": region.address, "size": region.size}


def _line_as_json(line: Line) -> dict[str, int | str | None]:
    return {
        "index": line.index,
        "name": line.name,
        "spi": line.spi,
        "trigger": line.trigger.value,
        "controller": line.controller,
        "duplicate_of": line.duplicate_of,
    }
