# SPDX-License-Identifier: Apache-2.0
"""The raw layer: one class per kernel file descriptor, thin, usable without any VM.

A user-space driver needs `open_device` and what it gives; the rest is for those who build VMs of their own.
Each name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midway.kernel.container import Container as Container
    from midway.kernel.container import Group as Group
    from midway.kernel.eventfd import EventFd as EventFd
    from midway.kernel.gic import Gic as Gic
    from midway.kernel.gic import KvmVfio as KvmVfio
    from midway.kernel.handle import Handle as Handle
    from midway.kernel.handle import Mapping as Mapping
    from midway.kernel.irq_set import Action as Action
    from midway.kernel.kvm import Kvm as Kvm
    from midway.kernel.kvm import Vm as Vm
    from midway.kernel.memory import Extent as Extent
    from midway.kernel.memory import GuestMemory as GuestMemory
    from midway.kernel.standalone import open_device as open_device
    from midway.kernel.stats import Stats as Stats
    from midway.kernel.syscalls import Linux as Linux
    from midway.kernel.syscalls import SystemCalls as SystemCalls
    from midway.kernel.vcpu import Vcpu as Vcpu
    from midway.kernel.vfio_device import Device as Device
    from midway.kernel.vfio_device import DeviceInfo as DeviceInfo
    from midway.kernel.vfio_device import Forwarding as Forwarding
    from midway.kernel.vfio_device import LineCounters as LineCounters
    from midway.kernel.vfio_device import LineInfo as LineInfo
    from midway.kernel.vfio_device import RegionInfo as RegionInfo

_HOMES = {
    "Action": "irq_set",
    "Container": "container",
    "Device": "vfio_device",
    "DeviceInfo": "vfio_device",
    "EventFd": "eventfd",
    "Extent": "memory",
    "Forwarding": "vfio_device",
    "Gic": "gic",
    "Group": "container",
    "GuestMemory": "memory",
    "Handle": "handle",
    "Kvm": "kvm",
    "KvmVfio": "gic",
    "LineCounters": "vfio_device",
    "LineInfo": "vfio_device",
    "Linux": "syscalls",
    "Mapping": "handle",
    "RegionInfo": "vfio_device",
    "Stats": "stats",
    "SystemCalls": "syscalls",
    "Vcpu": "vcpu",
    "Vm": "kvm",
    "open_device": "standalone",
}

__all__ = [*_HOMES]  # noqa: PLE0604  (names all)


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'midway.kernel' has no attribute {name!r}")
    value = getattr(import_module(f"midway.kernel.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
