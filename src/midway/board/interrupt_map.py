# SPDX-License-Identifier: Apache-2.0
"""Who has which of the guest's shared peripheral interrupts."""

from midway.errors import PlanError

__all__ = ["MOST_SPIS", "InterruptMap"]

MOST_SPIS = 988  # INTIDs 32 to 1019 (GIC architecture); KVM has as many interrupt pins


class InterruptMap:
    """The guest's SPIs, 0 to 987 (INTID - 32)."""

    def __init__(self) -> None:
        self._owners: dict[int, str] = {}

    @property
    def owners(self) -> dict[int, str]:
        """Every SPI that is taken, with its owner."""
        return dict(sorted(self._owners.items()))

    @property
    def size(self) -> int:
        """How many SPIs a GIC must have for those taken: a multiple of 32, at least 32."""
        return (max(self._owners, default=0) // 32 + 1) * 32

    def reserve(self, spi: int, owner: str) -> int:
        """Take one SPI.  Raises PlanError when it is taken or does not exist."""
        if not 0 <= spi < MOST_SPIS:
            raise PlanError(f"giving SPI {spi} to {owner}", answer=f"SPIs are 0 to {MOST_SPIS - 1}")
        if spi in self._owners:
            raise PlanError(f"giving SPI {spi} to {owner}", answer=f"{self._owners[spi]} has it")
        self._owners[spi] = owner
        return spi

    def allocate(self, owner: str) -> int:
        """Take the lowest SPI that is free.  Raises PlanError when none is."""
        free = next((spi for spi in range(MOST_SPIS) if spi not in self._owners), None)
        if free is None:
            raise PlanError(
                f"giving an interrupt to {owner}",
                answer=f"all {MOST_SPIS} of the guest are taken",
                remedy="pass fewer devices to this VM",
            )
        return self.reserve(free, owner)
