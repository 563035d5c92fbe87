# SPDX-License-Identifier: Apache-2.0
"""One device on its way into VFIO's hands and back.

What is borrowed is written down before the device's own driver loses it and forgotten after that driver has
it again, so that whatever happens between, somebody else can give it back.
"""

import os
from collections.abc import Sequence

import msgspec

from midway.errors import DeviceError
from midway.host.binding import Binding
from midway.host.claimable import check_claimable, choose_driver, is_vfio
from midway.host.groups import VfioGroup, check_not_open, vfio_group
from midway.host.platform import Platform
from midway.host.records import ClaimRecord, Records
from midway.host.signals import uninterrupted

__all__ = ["Borrowing", "Claim"]


class Claim(msgspec.Struct, frozen=True):
    """A device in VFIO's hands: by which driver, from which driver it came, and its group's file."""

    name: str
    driver: str
    previous: str | None
    group: VfioGroup


class Found(msgspec.Struct, frozen=True):
    """How a device was found: `held` when VFIO has it, `lasting` when that is for longer than any process.

    `recorded` when Midway took it; else it was the administrator, and giving it back is not Midway's.
    """

    held: bool
    lasting: bool
    recorded: bool
    previous: str | None
    override: str | None


class Borrowing(msgspec.Struct, frozen=True):
    """All of it with the device's lock held."""

    binding: Binding
    records: Records

    def look(self) -> Found:
        record, driver = self.records.read(self.binding.name), self.binding.driver
        held = is_vfio(driver)
        if record is None:
            previous = None if held else driver
            override = self.binding.override
            return Found(held, lasting=held, recorded=False, previous=previous, override=override)
        # Its taker was killed on the way, or it was given back by hand since: a driver it has is its own.
        previous = record.previous if held or driver is None else driver
        lasting = held and record.lasting
        return Found(held, lasting=lasting, recorded=True, previous=previous, override=record.override)

    def take(self, platform: Platform, together: Sequence[str], *, force: bool, lasting: bool) -> Claim:
        """Bring the device to VFIO from any state; `together` are all the devices that are being claimed."""
        binding, found = self.binding, self.look()
        if found.held:
            driver = binding.driver or ""
            check_not_open(binding.files, binding.directory, binding.name)
        else:
            driver = choose_driver(binding)
            check_claimable(binding, platform, together, force=force)
        with uninterrupted():
            if found.recorded or not found.held:
                self._write_down(found, driver, lasting=lasting)
            if not found.held:
                # The choice comes before the unbinding, so that no other driver slips in between.
                binding.set_override(driver)
                binding.unbind()
                binding.bind(driver)
        return Claim(name=binding.name, driver=driver, previous=found.previous, group=self._group())

    def give_back(self) -> None:
        """Undo what the device's record says was done, then drop the record; nothing when there is none."""
        with uninterrupted():
            binding, record = self.binding, self.records.read(self.binding.name)
            if record is None:
                return
            if is_vfio(binding.driver):
                check_not_open(binding.files, binding.directory, binding.name)
                binding.unbind()
            binding.set_override(record.override)
            if record.previous is not None and binding.driver != record.previous:
                self._rebind(record.previous)
            self.records.remove(binding.name)

    def _write_down(self, found: Found, driver: str, *, lasting: bool) -> None:
        self.records.write(
            ClaimRecord(
                device=self.binding.name,
                bus=self.binding.bus,
                driver=driver,
                previous=found.previous,
                override=found.override,
                pid=os.getpid(),
                lasting=lasting,
            )
        )

    def _rebind(self, previous: str) -> None:
        if not self.binding.has_driver(previous):
            raise DeviceError(
                f"giving it back to {previous}",
                device=self.binding.name,
                answer="that driver is not loaded any more",
                remedy=f"load it, then: midway release {self.binding.name}",
            )
        self.binding.bind(previous)

    def _group(self) -> VfioGroup:
        binding = self.binding
        group = vfio_group(binding.files, binding.directory)
        if group is None:
            raise DeviceError(
                "finding its VFIO group",
                device=binding.name,
                answer=f"{binding.driver} made none in /sys/class/vfio",
                remedy=f"the kernel's log may say why: dmesg | grep {binding.name}",
            )
        if not group.node.exists():
            raise DeviceError(
                "finding its VFIO group",
                device=binding.name,
                answer=f"no {group.node}",
                remedy="mount devtmpfs on /dev",
            )
        return group
