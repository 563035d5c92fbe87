# SPDX-License-Identifier: Apache-2.0
"""Midway: platform devices of an Arm host for KVM guests.

The names below are the whole public interface for programs; see docs/python.md.  Each is imported when it is
first used, so that importing midway costs nothing.  VFIO and KVM themselves, without a VM, are in
`midway.kernel`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midway.board.plan import MachinePlan as MachinePlan
    from midway.board.planning import plan_machine as plan_machine
    from midway.config import DeviceConfig as DeviceConfig
    from midway.config import InterruptMode as InterruptMode
    from midway.config import MachineConfig as MachineConfig
    from midway.config import load as load
    from midway.errors import MidwayError as MidwayError
    from midway.findings import Finding as Finding
    from midway.findings import Severity as Severity
    from midway.host.borrowing import Claim as Claim
    from midway.host.claims import claim as claim
    from midway.host.claims import claim_all as claim_all
    from midway.host.claims import claim_lasting as claim_lasting
    from midway.host.claims import release as release
    from midway.host.claims import release_all as release_all
    from midway.host.device import HostDevice as HostDevice
    from midway.host.platform import Platform as Platform
    from midway.host.readiness import readiness as readiness
    from midway.host.usage import usage as usage
    from midway.passthrough.live import live_host as live_host
    from midway.passthrough.planner import assess as assess
    from midway.passthrough.routes import DevicePlan as DevicePlan
    from midway.passthrough.verdict import Verdict as Verdict
    from midway.passthrough.verdict import verdict as verdict
    from midway.vm.console import Console as Console
    from midway.vm.machine import Machine as Machine
    from midway.vm.outcome import End as End
    from midway.vm.outcome import Outcome as Outcome
    from midway.vm.prepare import open_machine as open_machine

__version__ = "0.1.0"

_HOMES = {
    "Claim": "midway.host.borrowing",
    "Console": "midway.vm.console",
    "DeviceConfig": "midway.config",
    "DevicePlan": "midway.passthrough.routes",
    "End": "midway.vm.outcome",
    "Finding": "midway.findings",
    "HostDevice": "midway.host.device",
    "InterruptMode": "midway.config",
    "Machine": "midway.vm.machine",
    "MachineConfig": "midway.config",
    "MachinePlan": "midway.board.plan",
    "MidwayError": "midway.errors",
    "Outcome": "midway.vm.outcome",
    "Platform": "midway.host.platform",
    "Severity": "midway.findings",
    "Verdict": "midway.passthrough.verdict",
    "assess": "midway.passthrough.planner",
    "claim": "midway.host.claims",
    "claim_all": "midway.host.claims",
    "claim_lasting": "midway.host.claims",
    "live_host": "midway.passthrough.live",
    "load": "midway.config",
    "open_machine": "midway.vm.prepare",
    "plan_machine": "midway.board.planning",
    "readiness": "midway.host.readiness",
    "release": "midway.host.claims",
    "release_all": "midway.host.claims",
    "usage": "midway.host.usage",
    "verdict": "midway.passthrough.verdict",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604  (names all)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'midway' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
