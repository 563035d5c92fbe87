# SPDX-License-Identifier: Apache-2.0
"""Devices that only work in the same guest: who has to come along, found by planning them together."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from midway.errors import MidwayError
from midway.findings import Finding, Severity
from midway.passthrough.routes import DevicePlan

__all__ = ["TOGETHER", "planned_together"]

TOGETHER = "together"  # the finding's code
_MOST = 8  # devices; more than these are a board, and not a device with what belongs to it
_LOSS_OF_OTHERS = "provider-of-others"

Planner = Callable[[Sequence[str]], Sequence[DevicePlan]]


def planned_together(alone: DevicePlan, plan: Planner) -> DevicePlan:
    """The device's plan with everything that must or should go with it, else `alone`.

    `plan` makes the plans of devices by name for one guest, in order.  First with what the device can do
    without but is better off with, if nobody else on the host uses that; then with what is necessary.
    """
    if alone.needs:
        return _with_needed(alone, plan)
    best: Sequence[DevicePlan] = (alone,)
    for name in sorted(alone.wants):
        wished = _attempt([*(one.device.name for one in best), name], plan)
        if wished is not None and _harmless(wished):
            best = wished
    return _named(best) if best[1:] else alone


def _with_needed(alone: DevicePlan, plan: Planner) -> DevicePlan:
    names = [alone.device.name]
    missing: Iterable[str] = alone.needs
    while missing:
        names += sorted(missing)
        plans = _attempt(names, plan) if len(names) <= _MOST else None
        if plans is None:
            return alone
        missing = {name for one in plans for name in one.needs} - {*names}
        if not missing:
            return _named(plans) if _sound(plans) else alone
    return alone


def _attempt(names: Sequence[str], plan: Planner) -> Sequence[DevicePlan] | None:
    try:
        return plan(names)
    except MidwayError:
        return None  # no room for so many in one guest


def _sound(plans: Sequence[DevicePlan]) -> bool:
    """Nothing is refused, and of those that come along nobody on the host is left without."""
    return not any(
        finding.severity is Severity.REFUSAL
        or (at and finding.code == _LOSS_OF_OTHERS and finding.severity is not Severity.NOTE)
        for at, one in enumerate(plans)
        for finding in one.findings
    )


def _harmless(plans: Sequence[DevicePlan]) -> bool:
    return _sound(plans) and not any(one.needs for one in plans)


def _named(plans: Sequence[DevicePlan]) -> DevicePlan:
    first, *others = plans
    names = tuple(one.device.name for one in others)
    joint = " and ".join((", ".join(names[:-1]), names[-1]) if names[1:] else names)
    finding = Finding(
        TOGETHER,
        Severity.NOTE,
        first.device.name,
        f"it is to be passed together with {joint}: each uses what the other has",
        f"give them to the same VM: {' '.join(f'--device {name}' for name in (first.device.name, *names))}",
    )
    return msgspec.structs.replace(first, together=names, findings=(finding, *first.findings))
