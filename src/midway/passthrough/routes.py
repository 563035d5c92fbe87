# SPDX-License-Identifier: Apache-2.0
"""The four routes of an assigned device, as values: MMIO, DMA, IRQ and description."""

from dataclasses import dataclass, field
from enum import StrEnum

from midway.config import InterruptMode, ProviderPolicy
from midway.devicetree.addresses import Span
from midway.devicetree.node import Node
from midway.findings import Finding
from midway.host.device import HostDevice, Line, Region


@dataclass(frozen=True, slots=True)
class MmioRoute:
    """`mapped`: through a KVM memory slot (page-aligned); else every access is trapped."""

    region: Region
    guest_address: int
    mapped: bool


class DmaKind(StrEnum):
    IOMMU = "iommu"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class DmaRoute:
    """`group` is the IOMMU group's number; None with direct DMA (guest physical = host physical).

    `reach` is what the host's buses make of the device's addresses with direct DMA (`child` on the bus,
    `parent` in memory), and the guest's bus must make too.  None when they change and limit nothing.
    """

    kind: DmaKind
    group: int | None = None
    reach: tuple[Span, ...] | None = None


@dataclass(frozen=True, slots=True)
class LineRoute:
    """`spi`: the guest's shared peripheral interrupt (its INTID is spi + 32, KVM's GSI is spi)."""

    line: Line
    spi: int
    mode: InterruptMode


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one property that points to other nodes.

    `node` is the path of the node it is in, `targets` the paths it points to on the host, `policy` None where
    the targets go to the guest as well, `outcome` a phrase for people.
    """

    node: str
    property: str
    targets: tuple[str, ...]
    policy: ProviderPolicy | None
    outcome: str


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """Everything that is done for one device; `node` hangs below the guest's platform bus.

    A line that duplicates another has no route of its own: the node names the other's SPI twice.
    `providers` are nodes the device's node points to (fixed clocks ...), children of the guest tree's root.
    `aliases` are the device's names in the host's /aliases without their numbers ("ethernet").
    """

    device: HostDevice
    mmio: tuple[MmioRoute, ...]
    dma: DmaRoute
    lines: tuple[LineRoute, ...]
    node: Node
    providers: tuple[Node, ...] = ()
    findings: tuple[Finding, ...] = field(default=())
    decisions: tuple[Decision, ...] = field(default=())
    aliases: tuple[str, ...] = field(default=())
