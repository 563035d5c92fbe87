# SPDX-License-Identifier: Apache-2.0
"""From a configuration to a machine that only needs to be started."""

import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from midway.config import MachineConfig
from midway.errors import HostError
from midway.host.signals import uninterrupted
from midway.host.sysfs import HostFiles
from midway.kernel.kvm import Kvm
from midway.kernel.syscalls import Linux, SystemCalls
from midway.vm.boot import BootImages, banks_of
from midway.vm.ram import GuestRam, groups_of, reserved_extents

if TYPE_CHECKING:
    from midway.board.plan import MachinePlan
    from midway.host.platform import Platform
    from midway.vm.console import Console
    from midway.vm.machine import Machine

__all__ = ["check_architecture", "choose_gic", "open_machine"]


@contextmanager
def open_machine(
    config: MachineConfig,
    console: "Console",
    *,
    calls: SystemCalls | None = None,
    platform: "Platform | None" = None,
    planned: "Callable[[MachinePlan], None]" = lambda _: None,
) -> "Iterator[Machine]":
    """A machine with its devices claimed and connected; at the end the devices go back to their drivers.

    What can fail without touching a device comes first.  `planned` sees the plan before it is applied, and
    may refuse it by raising.  Raises any MidwayError.
    """
    calls = calls or Linux()
    check_architecture()
    if config.cpu.pin:
        from midway.host.affinity import check_pins

        check_pins(config.cpu.pin)
    images = BootImages.of(config)
    with Kvm(calls) as kvm:
        gic_version = choose_gic(config.gic, kvm.gic_versions())
        address_bits = kvm.address_bits()
    names = [device.name for device in config.devices]
    files = platform.files if platform is not None else HostFiles()
    groups = groups_of(files, names)
    with ExitStack() as resources:
        keep_clear = reserved_extents(files, list(groups.values()))
        with uninterrupted():
            ram = resources.enter_context(GuestRam(calls, config, groups, keep_clear, images.load))
        # Imported here, while the RAM is cleared and filled: they are most of what there is to import.
        from midway.board.planning import Seeds, plan_machine
        from midway.devicetree.node import Node
        from midway.vm.machine import Machine

        if names:
            from midway.host.claims import claim_all
            from midway.host.clocks import clock_rates
            from midway.host.platform import Platform
            from midway.passthrough import planner  # noqa: F401  # which plan_machine will need
            from midway.vm import assigned  # noqa: F401  # and the machine

            platform = platform or Platform(files)
            tree, devices = platform.tree, platform.devices
            for name in names:
                platform.device(name)
            memory = ram.memory()
            claims = resources.enter_context(claim_all(names, force=config.force, platform=platform))
            rates = partial(clock_rates, files=files)
        else:
            tree, devices, claims, memory, rates = Node(""), (), (), ram.memory(), None
        plan = plan_machine(
            config,
            tree,
            devices,
            banks=banks_of(memory),
            image_size=images.kernel.size,
            text_offset=images.kernel.text_offset,
            initrd_size=images.initrd_size,
            gic_version=gic_version,
            clock_rates=rates,
            seeds=Seeds(rng=os.urandom(64), kaslr=os.urandom(8)),
            page_size=mmap.PAGESIZE,
            address_bits=address_bits,
        )
        planned(plan)
        machine = Machine(
            plan,
            memory,
            console,
            {claim.name: claim.group for claim in claims},
            control=files.run / "midway" / "vms",
        )
        # Of a device that was being opened nobody would know, and it could not be given back.
        with uninterrupted():
            resources.enter_context(machine)
        yield machine


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
