# SPDX-License-Identifier: Apache-2.0
"""A VM's configuration as a value: the same whether it came from TOML, from flags or from Python."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from midway.errors import ConfigurationError

MAXIMUM_CPUS = 8
LONGEST_COMMAND_LINE = 2047  # bytes; what arm64's COMMAND_LINE_SIZE holds, the kernel drops the rest unsaid

# No NUL ends a path early; one that the locale cannot spell (PEP 383) is still a path.
_FileName = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


_LineName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class InterruptMode(StrEnum):
    """How a device's interrupt reaches the guest and is completed."""

    USERSPACE = "userspace"
    IRQFD = "irqfd"
    FORWARD = "forward"


class AddressPolicy(StrEnum):
    """Where a device's regions lie in the guest: wherever there is room, or where they are on the host."""

    AUTO = "auto"
    HOST = "host"


class Backing(StrEnum):
    """What the guest's RAM is made of.

    AUTO takes DIRECT where a device has no IOMMU, else ANONYMOUS.  DIRECT is huge pages that lie in the guest
    where they are on the host; HUGETLB is huge pages where the board has its RAM.
    """

    AUTO = "auto"
    ANONYMOUS = "anonymous"
    HUGETLB = "hugetlb"
    DIRECT = "direct"


class ProviderPolicy(StrEnum):
    """What becomes of a property that points from a device's node to a provider outside it."""

    FIXED = "fixed"  # a stand-in with the provider's present rate or voltage takes its place
    HELD = "held"  # the host keeps the provider on while the device is passed; the guest knows nothing of it
    HOST = "host"  # the host has done, or does, what it asks for; nothing is lost
    TOGETHER = "together"  # the device that has the provider must be passed to the same guest
    CARVED = "carved"  # memory that is reserved for the device is reserved in the guest's RAM instead
    DROPPED = "dropped"  # the guest goes without
    REFUSED = "refused"  # the device cannot be passed


class DeviceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One passed-through device: `name` as in /sys/bus/platform/devices.

    `irq` is the mode of all its lines, or modes by a line's name (or index, "0"); what it does not name is in
    the best mode that is offered.
    `clocks` gives rates in Hz by clock name (or index, "0"), in place of those the host would report.
    `policies` overrides what becomes of single properties of the node: `{"dmas": "dropped"}`.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^/\x00-\x20]+$")]
    irq: InterruptMode | dict[_LineName, InterruptMode] | None = None
    address: AddressPolicy = AddressPolicy.AUTO
    clocks: dict[str, Annotated[int, msgspec.Meta(ge=1, le=0xFFFFFFFF)]] = {}
    policies: dict[str, ProviderPolicy] = {}


class IrqAffinity(StrEnum):
    """On which of the host's CPUs it takes a passed device's interrupts.

    HOST: wherever the host has them.  FOLLOW: where the vCPU is that the guest routed the interrupt to.
    """

    HOST = "host"
    FOLLOW = "follow"


class CpuConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`pin` has for each vCPU the only CPU of the host that it runs on; () lets the host choose."""

    pin: tuple[Annotated[int, msgspec.Meta(ge=0, le=4095)], ...] = ()
    irq_affinity: IrqAffinity = IrqAffinity.HOST


class MachineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A VM.  `memory` is in MiB; `gic` is 2 or 3, None for the newest the host offers."""

    kernel: _FileName
    initrd: _FileName | None = None
    append: Annotated[
        str, msgspec.Meta(max_length=LONGEST_COMMAND_LINE, pattern=r"^[^\x00\ud800-\udfff]*$")
    ] = ""
    memory: Annotated[int, msgspec.Meta(ge=64, le=1 << 24)] = 512
    cpus: Annotated[int, msgspec.Meta(ge=1, le=MAXIMUM_CPUS)] = 1
    gic: Annotated[int, msgspec.Meta(ge=2, le=3)] | None = None
    backing: Backing = Backing.AUTO
    devices: tuple[DeviceConfig, ...] = ()
    cpu: CpuConfig = CpuConfig()
    strict: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        pinned = len(self.cpu.pin)
        if pinned not in (0, self.cpus):
            raise ValueError(f"`pin` has {pinned} CPUs of the host for {self.cpus} of the guest")
        if self.cpu.irq_affinity is IrqAffinity.FOLLOW and not pinned:
            raise ValueError("`irq_affinity = follow` needs vCPUs that stay where they are: set `pin`")


def load(path: Path) -> MachineConfig:
    """Read a VM's TOML.

    Relative kernel and initrd paths are relative to the file.  Raises ConfigurationError.
    """
    try:
        return msgspec.convert(load_fields(path), MachineConfig)
    except msgspec.ValidationError as error:
        raise malformed(path, error) from error


def load_fields(path: Path) -> dict[str, Any]:
    """What a VM's TOML says, for a MachineConfig of which options say the rest; nothing of it is checked.

    As for `load`.
    """
    import tomllib  # only here: a VM from flags does without

    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"reading {path}", answer=error.strerror) from error
    # tomllib says ValueError of numbers too long to convert as well, and recurses into nested arrays.
    except (ValueError, RecursionError) as error:
        raise malformed(path, error) from error
    for name in ("kernel", "initrd"):
        if isinstance(fields.get(name), str):
            fields[name] = str(path.parent / fields[name])
    return fields


def malformed(path: Path, error: Exception) -> ConfigurationError:
    """The error for a VM's TOML that cannot be."""
    return ConfigurationError(f"reading {path}", answer=str(error))
