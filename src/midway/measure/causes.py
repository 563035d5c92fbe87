# SPDX-License-Identifier: Apache-2.0
"""Why devices are refused, in the few kinds that there are, and why each is right."""

from dataclasses import dataclass

from midway.measure.corpus import Outcome

__all__ = ["CAUSES", "Cause", "cause_of"]


@dataclass(frozen=True, slots=True)
class Cause:
    """`title` heads a column; `why` is what is said to somebody who knows the hardware."""

    title: str
    why: str


_PCI = Cause(
    "PCI host bridge",
    "VFIO gives a platform device its `reg` and `interrupts`. A bridge's windows are in `ranges` and "
    "its INTx lines in `interrupt-map`, so a guest could enumerate functions and use none. They are "
    "passed with vfio-pci.",
)
_HOST_GOVERNS = Cause(
    "the host's own",
    "Interrupt, pin, domain, interconnect and frequency controllers are shared by the whole SoC, CPUs "
    "included. The host goes on using them for everything else, also for the devices that it passed.",
)
_PPI = Cause(
    "private interrupt",
    "A PPI exists once for each CPU. VFIO takes interrupts that any CPU can handle; KVM gives guests "
    "the timer's PPIs of its own.",
)
_FIRMWARE_LINE = Cause(
    "line of a remote processor or expander",
    "The line is raised by software (a message in shared memory, a chip behind I2C), whose handler "
    "runs in a thread of the host's. VFIO cannot take such a line, and its sender remains the host's.",
)
_NEEDED = Cause(
    "the host needs it",
    "It gives clocks, resets, supplies, interrupts or the translation of addresses to what stays with the "
    "host (CPUs, firmware, a PCI bridge, a chip behind I2C, a refused device, or more than eight devices). "
    "In a guest's hands they would go off at the guest's will.",
)
_MEMORY = Cause(
    "firmware's memory",
    "The region is at one physical address because firmware or a remote processor's image runs there, "
    "behind the secure world's protection. A pool of a guest's cannot replace it, and mapping it would "
    "let the guest rewrite running firmware.",
)
_MISSING = Cause(
    "provider is refused",
    "It works only through a mailbox, lock, PHY, or block of registers whose owner itself has to stay with "
    "the host.",
)
_OTHER = Cause(
    "configuration elsewhere",
    "Its settings are in firmware or nodes of the host's that have no copy.",
)
_MALFORMED = Cause(
    "wrong in the tree",
    "The node contradicts the specification, or a region has no size.",
)

CAUSES = (_HOST_GOVERNS, _NEEDED, _PPI, _FIRMWARE_LINE, _PCI, _MEMORY, _MISSING, _OTHER, _MALFORMED)


def cause_of(outcome: Outcome) -> tuple[Cause, str]:
    """The kind that decides, and the finding's own words.  The outcome is a refusal."""
    found = {finding.code: finding.cause for finding in reversed(outcome.refusals)}
    lines = [f.cause for f in outcome.refusals if f.code == "line-unroutable"]
    if "pci-host" in found:
        return _PCI, found["pci-host"]
    if "serves-the-host" in found:
        return _HOST_GOVERNS, found["serves-the-host"]
    if lines:
        return (_PPI if "private interrupt" in lines[0] else _FIRMWARE_LINE), lines[0]
    if "provider-of-others" in found:
        return _NEEDED, found["provider-of-others"]
    if "needs-others" in found:
        return _MISSING, found["needs-others"]
    if "provider-refused" in found:
        refused = found["provider-refused"]
        return (_MEMORY if refused.startswith("memory-region") else _OTHER), refused
    return _MALFORMED, outcome.refusals[0].cause
