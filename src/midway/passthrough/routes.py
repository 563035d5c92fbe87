# SPDX-License-Identifier: Apache-2.0
"""The four routes of an assigned device, as values: MMIO, DMA, IRQ and description."""

from enum import StrEnum

import msgspec

from midway.config import InterruptMode, ProviderPolicy
from midway.devicetree.addresses import Span
from midway.devicetree.node import Node
from midway.findings import Finding
from midway.host.device import HostDevice, Line, Region


class MmioRoute(msgspec.Struct, frozen=True):
    """`mapped`: through a KVM memory slot (page-aligned); else every access is trapped."""

    region: Region
    guest_address: int
    mapped: bool


class DmaKind(StrEnum):
    IOMMU = "iommu"
    DIRECT = "direct"


class DmaRoute(msgspec.Struct, frozen=True):
    """`group` is the IOMMU group's number; None with direct DMA (guest physical = host physical).

    `reach` is what the host's buses make of the device's addresses with direct DMA (`child` on the bus,
    `parent` in memory), and the guest's bus must make too.  None when they change and limit nothing.
    `coherent_bus`: a bus above the device states `dma-coherent` for it, so the guest's bus has to.
    """

    kind: DmaKind
    group: int | None = None
    reach: tuple[Span, ...] | None = None
    coherent_bus: bool = False


class LineRoute(msgspec.Struct, frozen=True):
    """`spi`: the guest's shared peripheral interrupt (its INTID is spi + 32, KVM's GSI is spi).

    `asked`: the configuration names the mode.  Else it is the best there is, and where the driver or the
    kernel does not offer it a lesser one takes its place.
    """

    line: Line
    spi: int
    mode: InterruptMode
    asked: bool = True


class Decision(msgspec.Struct, frozen=True):
    """What became of one property that points to other nodes.

    `node` is the path of the node it is in, `targets` the paths it points to on the host, `policy` None where
    the targets go to the guest as well, `outcome` a phrase for people.
    """

    node: str
    property: str
    targets: tuple[str, ...]
    policy: ProviderPolicy | None
    outcome: str

    def title(self, top: str) -> str:
        """The property, behind the node that has it where that is not `top` but below."""
        below = self.node.removeprefix(top).removeprefix("/")
        return f"{below}: {self.property}" if below else self.property

    def in_full(self) -> str:
        """The outcome, and the nodes of the host's that it is about."""
        return f"{self.outcome} (host: {', '.join(self.targets)})" if self.targets else self.outcome


class DevicePlan(msgspec.Struct, frozen=True):
    """Everything that is done for one device; `node` hangs below the guest's platform bus.

    A line that duplicates another has no route of its own: the node names the other's SPI twice.
    `providers` are nodes the device's node points to (fixed clocks ...), children of the guest tree's root.
    `pools` are reserved parts of the guest's RAM that it points to.
    `aliases` are the device's names in the host's /aliases without their numbers ("ethernet").
    `above` are the names of the nodes it hangs below on its bus: () unless a device that encloses it on the
    host is passed as well.  `needs` are the devices it does not work without and that this guest lacks,
    `wants` those it is better off with; `together` those that a plan for it alone was made with.
    """

    device: HostDevice
    mmio: tuple[MmioRoute, ...]
    dma: DmaRoute
    lines: tuple[LineRoute, ...]
    node: Node
    providers: tuple[Node, ...] = ()
    findings: tuple[Finding, ...] = ()
    decisions: tuple[Decision, ...] = ()
    aliases: tuple[str, ...] = ()
    pools: tuple[Node, ...] = ()
    above: tuple[str, ...] = ()
    needs: frozenset[str] = frozenset()
    wants: frozenset[str] = frozenset()
    together: tuple[str, ...] = ()
