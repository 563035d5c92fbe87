# SPDX-License-Identifier: Apache-2.0
"""Taking devices from their drivers for VFIO, and giving them back.

A process holds a claim (`claim`, `claim_all`) or nobody does until `release` (`claim_lasting`).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from midway.errors import DeviceError, MidwayError
from midway.host.binding import Binding
from midway.host.borrowing import Borrowing, Claim
from midway.host.platform import Platform
from midway.host.records import ClaimRecord, Records
from midway.host.sysfs import HostFiles

__all__ = ["Claim", "claim", "claim_all", "claim_lasting", "claimed", "release", "release_all"]


@contextmanager
def claim(name: str, *, force: bool = False, platform: Platform | None = None) -> Iterator[Claim]:
    """One device, as `claim_all`."""
    with claim_all([name], force=force, platform=platform) as claims:
        yield claims[0]


@contextmanager
def claim_all(
    names: Sequence[str], *, force: bool = False, platform: Platform | None = None
) -> Iterator[tuple[Claim, ...]]:
    """Take devices from their drivers; at the end, whatever it is, give them back in the reverse order.

    The caller has closed every VFIO file of the devices by then.  A device that VFIO had before (through
    `claim_lasting` or the administrator) stays with VFIO.  `force` takes what the host is using.  Raises
    DeviceError (absent, busy, in use, not claimable), HostError (no VFIO driver) and KernelError; then
    nothing is left claimed.
    """
    platform = platform or Platform()
    records = Records(platform.files)
    _check_names(names)
    with ExitStack() as stack:
        claims = []
        for name in names:
            borrowing = Borrowing(Binding.of(platform.files, name), records)
            stack.enter_context(records.lock(name))
            lasting = borrowing.look().lasting
            if not lasting:
                stack.callback(borrowing.give_back)
            claims.append(borrowing.take(platform, names, force=force, lasting=lasting))
        yield tuple(claims)


def claim_lasting(
    names: Sequence[str], *, force: bool = False, platform: Platform | None = None
) -> tuple[Claim, ...]:
    """Take devices for longer than this process, until `release`.  All or none; errors as for `claim_all`."""
    platform = platform or Platform()
    records = Records(platform.files)
    _check_names(names)
    with ExitStack() as locks, ExitStack() as undo:
        claims = []
        for name in names:
            borrowing = Borrowing(Binding.of(platform.files, name), records)
            locks.enter_context(records.lock(name))
            if not borrowing.look().lasting:
                undo.callback(borrowing.give_back)
            claims.append(borrowing.take(platform, names, force=force, lasting=True))
        undo.pop_all()
        return tuple(claims)


def release(name: str, *, files: HostFiles | None = None) -> str | None:
    """Give a device back to the driver it was taken from; that driver's name, None when it had none.

    Works after the process that claimed it was killed.  Raises DeviceError when it is not claimed, when a
    process still has it, or when its driver does not take it (the record is kept then, for another try).
    """
    files = files or HostFiles()
    records = Records(files)
    binding = Binding.of(files, name)
    with records.lock(name):
        record = records.read(name)
        if record is None:
            raise DeviceError(
                "not claimed",
                device=name,
                answer=f"its driver is {binding.driver or 'none'} and Midway has no record of a claim",
            )
        Borrowing(binding, records).give_back()
        return record.previous


def release_all(*, files: HostFiles | None = None) -> dict[str, str | MidwayError | None]:
    """`release` everything that has a record: by device, the driver it went to or why it did not."""
    files = files or HostFiles()
    outcome: dict[str, str | MidwayError | None] = {}
    for name in reversed(Records(files).names()):
        try:
            outcome[name] = release(name, files=files)
        except MidwayError as error:
            outcome[name] = error
    return outcome


def claimed(*, files: HostFiles | None = None) -> tuple[ClaimRecord, ...]:
    """The records of all claims there are, also of processes that were killed."""
    records = Records(files or HostFiles())
    found = (records.read(name) for name in records.names())
    return tuple(record for record in found if record is not None)


def _check_names(names: Sequence[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DeviceError("named twice", device=doubled[0])
