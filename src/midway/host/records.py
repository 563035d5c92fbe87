# SPDX-License-Identifier: Apache-2.0
"""What was borrowed from whom, kept in /run so that it outlives a process that was killed.

One JSON file a device, replaced atomically, and one lock file a device, held (flock(2)) by the Midway that
has the device now: the kernel drops the lock however that process ends, the record stays until the device is
back.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec

from midway.errors import DeviceError, HostError, KernelError
from midway.host.sysfs import HostFiles, check_name

__all__ = ["ClaimRecord", "Records"]

_LARGEST_RECORD = 1 << 14
_SAFE_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class ClaimRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`previous` is the driver the device came from and `override` its driver_override then, None for none.

    `pid` took it.  A `lasting` claim belongs to no process: it stays until `midway release`.
    """

    device: str
    bus: str
    driver: str
    previous: str | None
    override: str | None
    pid: int
    lasting: bool


class Records:
    """The records of one host.  Only root can use them."""

    def __init__(self, files: HostFiles) -> None:
        self._directory = files.run / "midway" / "claims"
        self._parent = files.run

    def names(self) -> tuple[str, ...]:
        """The devices that have a record."""
        try:
            entries = [path.name for path in self._directory.iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise _failed("reading the claims", error) from error
        return tuple(sorted(name.removesuffix(".json") for name in entries if name.endswith(".json")))

    def read(self, device: str) -> ClaimRecord | None:
        """A device's record; None when it has none.  Raises HostError when it is damaged."""
        try:
            with self._open_directory() as directory:
                descriptor = os.open(_file(device), os.O_RDONLY | _SAFE_FLAGS, dir_fd=directory)
                with os.fdopen(descriptor, "rb") as file:
                    data = file.read(_LARGEST_RECORD)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed("reading its claim", error, device) from error
        try:
            record = msgspec.json.decode(data, type=ClaimRecord)
        except msgspec.DecodeError as error:
            raise HostError(
                f"{device}: reading its claim in {self._directory}",
                answer=str(error),
                remedy="bind its driver by hand, then remove the file",
            ) from error
        return record

    def write(self, record: ClaimRecord) -> None:
        """Replace a device's record so that a reader sees the old or the new one, never a part."""
        final, new = _file(record.device), f".{_file(record.device)}.new"
        try:
            with self._open_directory() as directory:
                # The device's lock is held, so that a leftover of this name is nobody's.
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _SAFE_FLAGS
                descriptor = os.open(new, flags, 0o600, dir_fd=directory)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
                os.replace(new, final, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            raise _failed("writing its claim", error, record.device) from error

    def remove(self, device: str) -> None:
        try:
            with self._open_directory() as directory:
                os.unlink(_file(device), dir_fd=directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failed("removing its claim", error, device) from error

    @contextmanager
    def lock(self, device: str) -> Iterator[None]:
        """Be the one Midway that touches the device.  Raises DeviceError at once when another is."""
        name = f"{check_name(device)}.lock"
        try:
            with self._open_directory() as directory:
                descriptor = os.open(name, os.O_RDWR | os.O_CREAT | _SAFE_FLAGS, 0o600, dir_fd=directory)
        except OSError as error:
            raise _failed("locking it", error, device) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise self._held(device) from error
            yield
        finally:
            os.close(descriptor)

    def _held(self, device: str) -> DeviceError:
        record = self.read(device)
        who = f"process {record.pid}" if record is not None and not record.lasting else "another process"
        return DeviceError(
            "busy", device=device, answer=f"{who} has claimed it with Midway", remedy="stop it first"
        )

    @contextmanager
    def _open_directory(self) -> Iterator[int]:
        """The records' directory, made if it is missing; refused when somebody else could write to it."""
        descriptor = os.open(self._parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in self._directory.relative_to(self._parent).parts:
                below = _enter(descriptor, name)
                os.close(descriptor)
                descriptor = below
            state = os.fstat(descriptor)
            if state.st_uid != os.geteuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise HostError(
                    f"using {self._directory}",
                    answer="others than its owner can write to it",
                    remedy=f"remove it: rm -r {self._directory}",
                )
            yield descriptor
        finally:
            os.close(descriptor)


def _enter(parent: int, name: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | _SAFE_FLAGS, dir_fd=parent)


def _file(device: str) -> str:
    return f"{check_name(device)}.json"


def _failed(attempted: str, error: OSError, device: str | None = None) -> KernelError:
    remedy = "run it as root" if isinstance(error, PermissionError) else None
    return KernelError(attempted, error.errno or 0, device=device, remedy=remedy)
