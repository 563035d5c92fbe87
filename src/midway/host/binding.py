# SPDX-License-Identifier: Apache-2.0
"""Binding one device to a driver and unbinding it, through the driver core's sysfs files."""

import errno
from pathlib import Path

import msgspec

from midway.errors import DeviceError, KernelError
from midway.host.platform import absent
from midway.host.sysfs import BUSES, HostFiles, check_name
from midway.host.uevents import Uevents

__all__ = ["Binding"]

_PROBE_SECONDS = 10.0
# What the kernel shows for a driver_override that is not set.
_NO_OVERRIDE = "(null)"


class Binding(msgspec.Struct, frozen=True):
    """A device on its bus.  All methods raise KernelError with the kernel's answer."""

    files: HostFiles
    name: str
    bus: str
    directory: Path

    @classmethod
    def of(cls, files: HostFiles, name: str) -> "Binding":
        """Find the device.  Raises DeviceError when no bus has it."""
        located = files.locate(check_name(name))
        if located is None:
            known = [other for bus in BUSES for other in files.names(files.sys / "bus" / bus / "devices")]
            raise absent(name, tuple(known))
        bus, directory = located
        return cls(files=files, name=name, bus=bus, directory=directory)

    @property
    def driver(self) -> str | None:
        """The driver that is bound now."""
        return self.files.link_name(self.directory / "driver")

    @property
    def override(self) -> str | None:
        """The only driver that may bind, when one was set."""
        value = self.files.text(self.directory / "driver_override", 4096)
        return None if value in (None, "", _NO_OVERRIDE) else value

    def set_override(self, driver: str | None) -> None:
        self.files.write(
            self.directory / "driver_override",
            f"{driver or ''}\n",
            f"choosing {driver}" if driver else "clearing the choice of its driver",
            self.name,
        )

    def unbind(self) -> None:
        """Take the device from its driver.  Raises DeviceError when that driver cannot let go."""
        driver = self.driver
        if driver is None:
            return
        unbind = self.directory / "driver" / "unbind"
        if not unbind.exists():
            raise DeviceError(
                f"taking it from {driver}",
                device=self.name,
                answer="this driver does not let its devices go",
                remedy="keep the driver from the device at boot (module_blacklist= or initcall_blacklist=)",
            )
        self.files.write(unbind, self.name, f"taking it from {driver}", self.name)

    def bind(self, driver: str) -> None:
        """Give the device to `driver` and wait until it has it.

        A probe that the kernel defers (EAGAIN) is waited for, up to 10 s, by the kernel's own event.
        """
        attempted, remedy = f"giving it to {driver}", f"the kernel's log says why: dmesg | grep {self.name}"
        bind = self.files.sys / "bus" / self.bus / "drivers" / driver / "bind"
        with Uevents() as events:
            try:
                self.files.write(bind, self.name, attempted, self.name, remedy)
            except KernelError as error:
                if self.driver == driver:
                    return  # it was quicker: its own module or udev bound it
                if error.errno != errno.EAGAIN:
                    raise
                if not events.wait(lambda: self.driver == driver, _PROBE_SECONDS):
                    raise
        if self.driver != driver:
            raise DeviceError(attempted, device=self.name, answer="the driver did not take it", remedy=remedy)

    def has_driver(self, driver: str) -> bool:
        """Whether `driver` is loaded on the device's bus."""
        return (self.files.sys / "bus" / self.bus / "drivers" / driver).is_dir()
