# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a machine that only needs to be started."""

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from midway.board.images import file_size, inspect_kernel
from midway.board.plan import Bank, MachinePlan, Window
from midway.board.planning import Seeds, anonymous_banks, plan_machine
from midway.config import Backing, MachineConfig
from midway.errors import ConfigurationError, HostError
from midway.host.claims import claim_all
from midway.host.clocks import clock_rates
from midway.host.device import HostDevice
from midway.host.platform import Platform
from midway.host.sysfs import HostFiles
from midway.kernel.kvm import Kvm
from midway.kernel.memory import Extent, GuestMemory
from midway.kernel.syscalls import Linux, SystemCalls
from midway.vm.console import Console
from midway.vm.machine import Machine

__all__ = ["choose_gic", "guest_memory", "open_machine", "reserved_windows"]


@contextmanager
def open_machine(
    config: MachineConfig,
    console: Console,
    *,
    calls: SystemCalls | None = None,
    platform: Platform | None = None,
    planned: Callable[[MachinePlan], None] = lambda _: None,
) -> Iterator[Machine]:
    """A machine with its devices claimed and connected; at the end the devices go back to their drivers.

    What can fail without touching a device comes first.  `planned` sees the plan before it is applied, and
    may refuse it by raising.  Raises any MidwayError.
    """
    calls = calls or Linux()
    platform = platform or Platform()
    check_architecture()
    image = inspect_kernel(Path(config.kernel))
    initrd_size = 0 if config.initrd is None else file_size(Path(config.initrd), what="initrd")
    with Kvm(calls) as kvm:
        gic_version = choose_gic(config.gic, kvm.gic_versions())
        address_bits = kvm.address_bits()
    names = [device.name for device in config.devices]
    devices = [platform.device(name) for name in names]
    with ExitStack() as resources:
        keep_clear = reserved_windows(platform.files, devices)
        memory = resources.enter_context(guest_memory(calls, config, devices, keep_clear))
        claims = resources.enter_context(claim_all(names, force=config.force, platform=platform))
        plan = plan_machine(
            config,
            platform.tree,
            platform.devices,
            banks=tuple(Bank(extent.address, extent.size) for extent in memory.extents),
            image_size=image.size,
            text_offset=image.text_offset,
            initrd_size=initrd_size,
            gic_version=gic_version,
            clock_rates=partial(clock_rates, files=platform.files),
            seeds=Seeds(rng=os.urandom(64), kaslr=os.urandom(8)),
            page_size=mmap.PAGESIZE,
            address_bits=address_bits,
        )
        planned(plan)
        groups = {claim.name: claim.group for claim in claims}
        yield resources.enter_context(Machine(plan, image, memory, console, groups))


def check_architecture() -> None:
    """HostError on a host that cannot run arm64 guests."""
    found = os.uname().machine
    if found != "aarch64":
        raise HostError(
            "running a VM",
            answer=f"this is a {found} host",
            remedy="guests run on arm64 hosts; `midway lab` emulates one on any machine",
        )


def choose_gic(wanted: int | None, offered: Sequence[int]) -> int:
    """The version of the guest's interrupt controller; HostError where the host has not that one."""
    if not offered:
        raise HostError("running a VM", answer="KVM offers no interrupt controller for guests here")
    if wanted is None:
        return offered[0]
    if wanted not in offered:
        have = " and ".join(f"GICv{version}" for version in offered)
        raise HostError(
            f"giving the guest a GICv{wanted}", answer=f"this host offers {have}", remedy="leave out --gic"
        )
    return wanted


def reserved_windows(files: HostFiles, devices: Sequence[HostDevice]) -> tuple[Window, ...]:
    """The addresses that the devices' IOMMU groups cannot translate (MSI doorbells, firmware's own)."""
    windows = []
    for number in {device.iommu_group for device in devices} - {None}:
        text = files.text(files.sys / "kernel" / "iommu_groups" / str(number) / "reserved_regions", 4096)
        for line in (text or "").splitlines():
            first, last = (int(word, 16) for word in line.split()[:2])
            windows.append(Window(first, last - first + 1))
    return tuple(windows)


def guest_memory(
    calls: SystemCalls,
    config: MachineConfig,
    devices: Sequence[HostDevice],
    keep_clear: Sequence[Window] = (),
) -> GuestMemory:
    """The guest's RAM: where huge pages lie if any device needs direct DMA, else where the board has it.

    The board keeps it clear of `keep_clear`.
    """
    size = config.memory << 20
    direct = [device.name for device in devices if device.iommu_group is None]
    if direct and config.backing is not Backing.AUTO and config.backing is not Backing.DIRECT:
        raise ConfigurationError(
            f"backing the guest's RAM with {config.backing} memory",
            device=direct[0],
            answer="it has no IOMMU, so the guest's RAM must lie at its physical addresses",
            remedy="leave out backing, or set it to direct",
        )
    if direct or config.backing is Backing.DIRECT:
        return GuestMemory.direct(calls, size)
    extents = [Extent(bank.address, bank.size) for bank in anonymous_banks(config, keep_clear)]
    if config.backing is Backing.HUGETLB:
        return GuestMemory.huge(calls, extents)
    return GuestMemory.anonymous(calls, extents)
