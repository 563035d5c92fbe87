# SPDX-License-Identifier: Apache-2.0
"""The emulated boards as values: what QEMU is told to make them, and what their kernel is told.

Everything a board needs for itself (root disk, result channel, randomness) sits on virtio-mmio slots of its
own, so that whatever else it has can be given to guests.
"""

from dataclasses import dataclass, replace

from midway.errors import LabError

__all__ = [
    "BOARDS",
    "DEFAULT_BOARD",
    "HOST_ADDRESS",
    "HOST_NIC",
    "PEER",
    "Board",
    "SpareDisk",
    "board_named",
]

HOST_ADDRESS = "10.0.2.2"  # where a board or its guest reaches servers on this machine's 127.0.0.1
HOST_NIC = "52:54:00:12:34:56"  # the NIC that the board itself uses; QEMU's first default address
_SPARE_NIC = "52:54:00:12:34:57"  # the one for guests


@dataclass(frozen=True, slots=True)
class SpareDisk:
    """A virtio-mmio disk for guests; `behind_smmu` gives it an IOMMU group in the board's device tree."""

    name: str  # also its serial number
    slot: int
    behind_smmu: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of emulated board.  `memory` is in MiB; slots are numbers of virtio-mmio buses."""

    name: str
    summary: str
    machine: tuple[str, ...]
    memory: int
    channel_slot: int
    root_slot: int
    randomness_slot: int
    console: tuple[str, ...]  # what joins the character devices "console" and "uart" to the board
    network: tuple[str, ...]  # the board's own
    spare_nic: tuple[str, ...]  # joins a NIC for guests to the network "spare"
    modules: tuple[str, ...]  # to reach the root disk and the result channel
    arguments: tuple[str, ...]  # of the kernel's command line
    spare_disks: tuple[SpareDisk, ...] = ()
    card: bool = False  # has an SD card
    usb_disk: bool = False  # a USB disk is plugged in
    own_tree: bool = False  # QEMU's device tree needs corrections, see board_tree
    vfio: bool = True  # loads VFIO and the driver
    vfio_options: tuple[str, ...] = ()  # of the module vfio_iommu_type1
    counters: str = ""  # compatible of its performance counters, where QEMU's tree does not have them
    icount: bool = False  # see with_icount

    @property
    def adds_counters(self) -> bool:
        """Whether the tree gets `counters`: they are of use only where they count something."""
        return self.icount and bool(self.counters)

    def with_memory(self, memory: int, *arguments: str) -> "Board":
        """The same board with other memory, in MiB, and further kernel arguments.

        On versal 4096 puts the 1 GiB page at 0x8_0000_0000; 3072 with ``cma=0`` puts it at 0x4000_0000.
        """
        return replace(self, memory=memory, arguments=(*self.arguments, *arguments))

    def with_icount(self) -> "Board":
        """The same board on a clock of its own: an instruction takes a nanosecond, the processors take turns.

        Slower, but what is counted repeats from run to run, and the processors' performance counters count
        instructions: those of all processors together.
        """
        return replace(self, icount=True)


_HUGE_PAGES = ("hugepagesz=1G", "hugepages=1", "hugepagesz=2M", "hugepages=16")
_MODULES = ("virtio_mmio", "virtio_blk", "virtio_console", "virtio_rng", "ext4", "crc32c_generic", "overlay")
# The kernel's driver for these UARTs is built in and never lets go of one (it suppresses unbinding), so that
# none could be passed: it is kept out, and the console is a virtio one.
_NO_UART_DRIVER = "initcall_blacklist=pl011_init"
_VIRTIO_CONSOLE = ("-device", "virtconsole,bus=channels.0,nr=0,chardev=console")

_VERSAL = Board(
    name="versal",
    summary="AMD Versal: two Cortex-A72 (nVHE), GICv3, two Cadence Ethernet MACs, no IOMMU",
    machine=("-M", "xlnx-versal-virt"),
    memory=4096,
    channel_slot=7,
    root_slot=6,
    randomness_slot=5,
    console=("-serial", "chardev:console", "-serial", "chardev:uart", *_VIRTIO_CONSOLE),
    network=("-nic", f"user,ipv6=off,mac={HOST_NIC}"),
    # QEMU hands the board's MACs out in this order: all of -nic, then all of -net.
    spare_nic=("-net", f"nic,netdev=spare,macaddr={_SPARE_NIC}"),
    modules=(*_MODULES, "macb"),
    arguments=("console=hvc0", "earlycon=pl011,0xff000000", _NO_UART_DRIVER, *_HUGE_PAGES),
    spare_disks=(SpareDisk("midway-spare", 0),),
    card=True,
    usb_disk=True,
    counters="arm,cortex-a72-pmu",
)

_VIRT = Board(
    name="virt",
    summary="QEMU's virt: two Cortex-A76 (VHE), GICv3, SMMUv3 with a disk behind it",
    machine=("-M", "virt,virtualization=on,gic-version=3,iommu=smmuv3", "-cpu", "cortex-a76", "-smp", "2"),
    memory=4096,
    channel_slot=31,
    root_slot=30,
    randomness_slot=29,
    # The console is a virtio one, so that the only UART is free for guests.  Until its driver is loaded the
    # kernel speaks on the UART.
    console=(
        *("-serial", "chardev:uart"),
        *_VIRTIO_CONSOLE,
    ),
    network=(
        *("-netdev", "user,id=own,ipv6=off"),
        *("-device", f"virtio-net-device,bus=virtio-mmio-bus.28,netdev=own,mac={HOST_NIC}"),
    ),
    spare_nic=("-device", f"virtio-net-device,bus=virtio-mmio-bus.16,netdev=spare,mac={_SPARE_NIC}"),
    modules=(*_MODULES, "virtio_net"),
    # Without nokaslr the kernel also isolates its page tables, which makes emulation slower.
    arguments=("console=hvc0", "earlycon=pl011,0x9000000", _NO_UART_DRIVER, "nokaslr", *_HUGE_PAGES),
    spare_disks=(SpareDisk("midway-spare", 0), SpareDisk("midway-smmu", 8, behind_smmu=True)),
    own_tree=True,
    vfio_options=("allow_unsafe_interrupts=1",),
)

_VIRT_GICV2 = replace(
    _VIRT,
    name="virt-gicv2",
    summary="QEMU's virt with a GICv2, for guests with a GICv2",
    machine=("-M", "virt,virtualization=on,gic-version=2,iommu=smmuv3", "-cpu", "cortex-a76", "-smp", "2"),
)

# Not for guests: it has no EL2, and is no board that a command offers.
PEER = Board(
    name="peer",
    summary="the other node of a network: one Cortex-A72, no EL2",
    machine=("-M", "virt,gic-version=3", "-cpu", "cortex-a72", "-smp", "1"),
    memory=512,
    channel_slot=31,
    root_slot=30,
    randomness_slot=29,
    console=("-serial", "chardev:uart", *_VIRTIO_CONSOLE),
    network=(),
    spare_nic=("-device", "virtio-net-device,bus=virtio-mmio-bus.28,netdev=spare,mac=52:54:00:12:34:58"),
    modules=(*_MODULES, "virtio_net"),
    arguments=("console=hvc0", _NO_UART_DRIVER, "nokaslr"),
    vfio=False,
)


BOARDS = {board.name: board for board in (_VERSAL, _VIRT, _VIRT_GICV2)}
DEFAULT_BOARD = _VERSAL.name


def board_named(name: str) -> Board:
    """Raises LabError for a name that no board has."""
    try:
        return BOARDS[name]
    except KeyError:
        raise LabError(
            f"there is no emulated board called {name}", remedy=f"one of: {', '.join(BOARDS)}"
        ) from None
