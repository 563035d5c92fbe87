# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, as one tree.

::

    MidwayError                   one line for the user, exit status 1
    ├── UsageError                the command line itself, exit status 2
    ├── ConfigurationError        a VM's configuration that cannot be
    ├── HostError                 the host lacks something: /dev/kvm, VFIO, huge pages, privileges
    ├── DeviceError               one device: absent, busy, in use, not claimable
    ├── PlanError                 a device or VM that cannot be planned, or findings under --strict
    ├── TreeError                 a device tree that is malformed or does not fit
    ├── ImageError                a kernel or initrd that cannot be booted
    ├── KernelError               a system call that failed; keeps errno
    ├── GuestError                the guest ended badly
    │   ├── GuestPanicError       its kernel panicked
    │   └── GuestFaultError       KVM could not go on with a vCPU
    └── LabError                  the emulated board could not be prepared
        └── BoardLostError        the board died under a command: no verdict on what ran there
"""

import errno as _errno
import os


class MidwayError(Exception):
    """Base of all errors a user sees.

    `attempted` is what was being done; `device` names the platform device it was done to; `answer` is what
    the kernel or tool said; `remedy` is what the user can do.  `str()` joins them into one line.
    """

    exit_status = 1

    def __init__(
        self,
        attempted: str,
        *,
        device: str | None = None,
        answer: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.attempted = attempted
        self.device = device
        self.answer = answer
        self.remedy = remedy
        head = f"{device}: {attempted}" if device else attempted
        line = f"{head}: {answer}" if answer else head
        super().__init__(f"{line} ({remedy})" if remedy else line)


class UsageError(MidwayError):
    exit_status = 2


class ConfigurationError(MidwayError):
    pass


class HostError(MidwayError):
    pass


class DeviceError(MidwayError):
    pass


class PlanError(MidwayError):
    pass


class TreeError(MidwayError):
    pass


class ImageError(MidwayError):
    pass


class KernelError(MidwayError):
    """A system call failed; `errno` is what the kernel answered."""

    def __init__(
        self, attempted: str, errno: int, *, device: str | None = None, remedy: str | None = None
    ) -> None:
        self.errno = errno
        name = _errno.errorcode.get(errno, str(errno))
        super().__init__(attempted, device=device, answer=f"{os.strerror(errno)} [{name}]", remedy=remedy)


class GuestError(MidwayError):
    pass


class GuestPanicError(GuestError):
    exit_status = 4


class GuestFaultError(GuestError):
    exit_status = 5


class LabError(MidwayError):
    pass


class BoardLostError(LabError):
    exit_status = 125
