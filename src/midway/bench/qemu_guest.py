# SPDX-License-Identifier: Apache-2.0
"""QEMU's own vfio-platform as the VMM of a benchmark: the same device, kernel and guest (QEMU 7.2).

It gets the device through the standard VFIO ABI.  Its model of a GICv3 knows no irqfd (only that of a GICv2
does): it takes each interrupt in user space, and unmaps the device's registers for a while, to see from an
access to them when the guest has handled it.

For a device without an IOMMU the guest's RAM, which QEMU always puts at the same address, has to be there on
the host too, and the driver has to be told that this client does not know of DIRECT.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from midway.bench.guest_process import GuestProcess
from midway.bench.qemu_tree import RAM_BASE, qemu_tree
from midway.bench.vmm import GuestSetup, RunningGuest
from midway.errors import GuestError, HostError
from midway.host.claims import claim_all
from midway.host.clocks import clock_rates
from midway.host.groups import iommu_group
from midway.host.platform import Platform
from midway.host.sysfs import HostFiles
from midway.kernel.hugepages import pool
from midway.kernel.memory import Extent, GuestMemory
from midway.kernel.syscalls import Linux

__all__ = ["QEMU", "QemuVmm", "check_place", "qemu_command"]

QEMU = "qemu-system-aarch64"
_MACHINE = "virt,gic-version=host,accel=kvm"
_CONSOLE = "console=ttyAMA0"
_UNVERIFIED = "module/vfio_forward/parameters/direct_unverified"  # below /sys
_DUMP_TIMEOUT = 120.0  # seconds


class QemuVmm:
    """The mode qemu.  `files` is where /sys and /proc are.  QEMU's tree is kept for later guests."""

    mode = "qemu"

    def __init__(self, files: HostFiles | None = None) -> None:
        self._files = files or HostFiles()
        self._trees: dict[tuple[int, int], bytes] = {}

    @contextmanager
    def start(self, setup: GuestSetup) -> Iterator[RunningGuest]:
        if shutil.which(QEMU) is None:
            raise HostError(
                "running a guest of QEMU's",
                answer=f"{QEMU} is not installed",
                remedy="apt-get install qemu-system-arm",
            )
        platform = Platform(self._files)
        place = self._files.locate(setup.device)
        is_direct = place is not None and iommu_group(self._files, place[1]) is None
        base = self._base_tree(setup)
        with ExitStack() as stack:
            if is_direct:
                _check_memory(self._files, setup.memory << 20)
                stack.enter_context(_unverified(self._files))
            stack.enter_context(claim_all([setup.device], platform=platform))
            tree = setup.scratch / "qemu.dtb"
            rates = partial(clock_rates, files=self._files)
            tree.write_bytes(
                qemu_tree(base, platform.tree, platform.devices, setup.device, setup.memory, rates)
            )
            command = qemu_command(setup, is_direct=is_direct, tree=tree)
            yield RunningGuest(stack.enter_context(GuestProcess(command)))

    def _base_tree(self, setup: GuestSetup) -> bytes:
        """What QEMU would give to this guest; it depends on nothing but the processors and the memory."""
        key = (setup.cpus, setup.memory)
        if key not in self._trees:
            path = setup.scratch / "base.dtb"
            command = [
                QEMU,
                "-M",
                f"{_MACHINE},dumpdtb={path}",
                *_processors(setup),
                *_BARE,
                "-m",
                str(setup.memory),
            ]
            attempted = "asking QEMU for its guest's device tree"
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=_DUMP_TIMEOUT, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise GuestError(attempted, answer=f"no answer within {_DUMP_TIMEOUT:.0f} s") from error
            except OSError as error:
                raise GuestError(attempted, answer=f"{QEMU}: {error.strerror}") from error
            try:
                self._trees[key] = path.read_bytes()
            except OSError as error:
                raise GuestError(attempted, answer=done.stderr.strip()[-400:] or error.strerror) from error
        return self._trees[key]


_BARE = ("-nodefaults", "-no-user-config", "-display", "none")


def _processors(setup: GuestSetup) -> tuple[str, ...]:
    return ("-cpu", "host", "-smp", str(setup.cpus))


def qemu_command(setup: GuestSetup, *, is_direct: bool, tree: Path) -> list[str]:
    """QEMU's command line; its console is on standard input and output.

    With `is_direct` the guest's RAM is one huge page.
    """
    memory = f"memory-backend-memfd,id=ram,size={setup.memory}M,share=on"
    if is_direct:
        memory += f",hugetlb=on,hugetlbsize={setup.memory}M,prealloc=on"
    return [
        *(QEMU, "-M", f"{_MACHINE},memory-backend=ram", *_processors(setup), "-m", str(setup.memory), *_BARE),
        *("-no-reboot", "-monitor", "none"),
        *("-object", memory),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        *("-kernel", str(setup.kernel), "-initrd", str(setup.initrd), "-dtb", str(tree)),
        *("-append", f"{_CONSOLE} {setup.command_line}"),
        *("-device", f"vfio-platform,host={setup.device}"),
    ]


@contextmanager
def _unverified(files: HostFiles) -> Iterator[None]:
    """The driver lets clients in that do not know of DIRECT, for the time of the block."""
    parameter = files.sys / _UNVERIFIED
    attempted = "letting QEMU have a device without an IOMMU"
    before = files.flag(parameter)
    if before is None:
        raise HostError(attempted, answer="the loaded driver has no parameter direct_unverified")
    files.write(parameter, "1", attempted)
    try:
        yield
    finally:
        files.write(parameter, str(int(before)), "keeping out clients that do not verify their memory")


def _check_memory(files: HostFiles, size: int) -> None:
    """HostError unless the only memory that QEMU can take lies where its guest has it: the device would write
    into memory of the host otherwise.
    """
    attempted = "making a guest's RAM for QEMU"
    free = files.number(files.sys / pool(size).removeprefix("/sys/") / "free_hugepages") or 0
    if free != 1:
        raise HostError(
            attempted,
            answer=f"{free} huge pages of {size >> 20} MiB are free: it must be one, to know which it takes",
        )
    with GuestMemory.direct(Linux(), size) as memory:
        check_place(memory.extents, size)


def check_place(extents: Sequence[Extent], size: int) -> None:
    """Raises HostError unless `size` bytes of RAM are all at the address that QEMU's guests have them at."""
    if tuple(extents) != (Extent(RAM_BASE, size),):
        where = ", ".join(f"{extent.address:#x}" for extent in extents)
        raise HostError(
            "making a guest's RAM for QEMU",
            answer=f"the huge page is at {where}, and a guest of QEMU's has its RAM at {RAM_BASE:#x}",
            remedy="a device without an IOMMU cannot be given to QEMU here: leave out qemu",
        )
