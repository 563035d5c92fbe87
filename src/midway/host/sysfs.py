# SPDX-License-Identifier: Apache-2.0
"""The host's pseudo file systems (/sys, /proc, /dev, /run), below a root that a test can replace.

Everything read is bounded and tolerated only in the shape the kernel documents
(Documentation/ABI/testing/sysfs-*); what is not there is None, so that callers probe for presence.
"""

import errno
import os
from pathlib import Path

from midway.errors import DeviceError, HostError, KernelError

__all__ = ["BUSES", "HostFiles", "check_name"]

BUSES = ("platform", "amba")
"""The buses whose devices Midway passes: memory-mapped, described by the tree."""

_LIMIT = 1 << 16
_LONGEST_NAME = 255


def check_name(name: str) -> str:
    """The name itself when it can be one directory's name below /sys/bus.  Raises DeviceError."""
    if not 0 < len(name) <= _LONGEST_NAME or name in (".", "..") or "/" in name or not name.isprintable():
        raise DeviceError(
            "not a device's name", device=repr(name)[:80], remedy="`midway devices` lists the host's"
        )
    return name


class HostFiles:
    """The host seen from `root`; the real one by default."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.root = root

    @property
    def sys(self) -> Path:
        return self.root / "sys"

    @property
    def proc(self) -> Path:
        return self.root / "proc"

    @property
    def dev(self) -> Path:
        return self.root / "dev"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def read(self, path: Path, limit: int = _LIMIT) -> bytes | None:
        """The file's content; None when it is absent or the kernel does not let it be read.

        Raises HostError when there is more than `limit` bytes.
        """
        try:
            with path.open("rb", buffering=0) as file:
                return _read_bounded(file.fileno(), path, limit)
        except OSError:
            return None

    def text(self, path: Path, limit: int = _LIMIT) -> str | None:
        """The file's content as text without the newline at its end; None as for `read`."""
        data = self.read(path, limit)
        return None if data is None else data.decode("utf-8", "replace").rstrip("\n")

    def number(self, path: Path) -> int | None:
        """The one number in a file, decimal or 0x-prefixed; None when there is none."""
        text = self.text(path, 64)
        try:
            return None if text is None else int(text.strip(), 0)
        except ValueError:
            return None

    def flag(self, path: Path) -> bool | None:
        """A module's boolean parameter (Y or N); None when there is none."""
        return {"Y": True, "1": True, "N": False, "0": False}.get(self.text(path, 64) or "")

    def link_name(self, path: Path) -> str | None:
        """The last part of what a symbolic link points to: a device's driver, group or subsystem."""
        try:
            return path.readlink().name
        except OSError:
            return None

    def names(self, path: Path) -> tuple[str, ...]:
        """A directory's entries, sorted; empty when there is no such directory."""
        try:
            return tuple(sorted(entry.name for entry in path.iterdir()))
        except OSError:
            return ()

    def write(
        self, path: Path, value: str, attempted: str, device: str | None = None, remedy: str | None = None
    ) -> None:
        """Write an attribute in one system call.  Raises KernelError, with `remedy`."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM):
                remedy = "run it as root"
            raise KernelError(attempted, error.errno or 0, device=device, remedy=remedy) from error
        try:
            os.write(descriptor, value.encode())
        except OSError as error:
            raise KernelError(attempted, error.errno or 0, device=device, remedy=remedy) from error
        finally:
            os.close(descriptor)

    def is_taken(self, path: Path, flags: int) -> bool:
        """Whether the kernel refuses to open a device file because somebody else has it (EBUSY)."""
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError as error:
            return error.errno == errno.EBUSY
        return False

    def locate(self, name: str) -> tuple[str, Path] | None:
        """The bus and the /sys/bus directory of a device; None when no bus has it."""
        for bus in BUSES:
            directory = self.sys / "bus" / bus / "devices" / name
            if directory.is_dir():
                return bus, directory
        return None


def _read_bounded(descriptor: int, path: Path, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := os.read(descriptor, min(_LIMIT, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise HostError(f"reading {path}", answer=f"more than {limit} bytes")
    return b"".join(parts)
