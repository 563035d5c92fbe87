# SPDX-License-Identifier: Apache-2.0
"""The interrupt mode that the configuration asks for, line by line."""

from collections.abc import Mapping

from midway.config import InterruptMode
from midway.errors import PlanError
from midway.host.device import HostDevice, Line

__all__ = ["asked_modes"]


def asked_modes(
    device: HostDevice, irq: InterruptMode | Mapping[str, InterruptMode] | None
) -> dict[int, InterruptMode]:
    """By index of the line; one that is not in it has the best mode there is.

    `irq` is one mode for all, or modes by index or name of a line.  Raises PlanError for a line that the
    device does not have, or that is named twice.
    """
    if irq is None:
        return {}
    if isinstance(irq, InterruptMode):
        return {line.index: irq for line in device.lines}
    modes: dict[int, InterruptMode] = {}
    for key, mode in irq.items():
        index = _line(device, key).index
        if index in modes:
            raise _error(device, key, f"line {index} has a mode already, by its other name", "name it once")
        modes[index] = mode
    return modes


def _line(device: HostDevice, key: str) -> Line:
    names = [str(line.index) if line.name is None else f"{line.index} ({line.name})" for line in device.lines]
    found = next((line for line in device.lines if key in (str(line.index), line.name)), None)
    if found is None:
        there = f"its lines are {', '.join(names)}" if names else "it has no interrupts"
        raise _error(device, key, "the device has no such line", there)
    if found.duplicate_of is not None:
        answer = f"it is the same interrupt as line {found.duplicate_of}"
        raise _error(device, key, answer, f"say irq.{found.duplicate_of}")
    return found


def _error(device: HostDevice, key: str, answer: str, remedy: str) -> PlanError:
    return PlanError(f"choosing a mode for line {key}", device=device.name, answer=answer, remedy=remedy)
