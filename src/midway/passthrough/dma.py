# SPDX-License-Identifier: Apache-2.0
"""The DMA route: through the host's IOMMU, or directly with guest physical = host physical addresses."""

from collections.abc import Collection, Iterator, Sequence

from midway.board.plan import Bank
from midway.devicetree.addresses import dma_parents, dma_spans
from midway.devicetree.index import Tree
from midway.devicetree.references import parse_references
from midway.errors import TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice
from midway.passthrough.routes import DmaKind, DmaRoute

__all__ = ["dma_findings", "given_iommu_findings", "plan_dma"]


def plan_dma(device: HostDevice, tree: Tree) -> DmaRoute:
    """Through the IOMMU when the host has the device in a group."""
    through_iommu = device.iommu_group is not None
    kind = DmaKind.IOMMU if through_iommu else DmaKind.DIRECT
    try:
        reach = None if through_iommu else dma_spans(tree, device.node_path)
        return DmaRoute(kind, device.iommu_group, reach, _is_coherent_by_bus(tree, device.node_path))
    except TreeError:
        return DmaRoute(kind, device.iommu_group)  # refused by its findings


def _is_coherent_by_bus(tree: Tree, path: str) -> bool:
    """Whether a bus that its DMA passes makes it coherent: as in Linux, the nearest that says decides."""
    for at in (path, *dma_parents(tree, path)):
        properties = tree[at].properties
        if "dma-coherent" in properties:
            return at != path
        if "dma-noncoherent" in properties:
            return False
    return False


def dma_findings(
    device: HostDevice, neighbours: Sequence[HostDevice], tree: Tree, banks: Sequence[Bank]
) -> Iterator[Finding]:
    """What is to be said of the device's DMA; `banks` is the guest's RAM."""
    if device.iommu_group is None:
        yield _no_iommu(device, tree)
    else:
        yield from _group_findings(device, neighbours)
    try:
        reach = dma_spans(tree, device.node_path)
    except TreeError as error:
        yield Finding(
            "dma-window", Severity.REFUSAL, device.name, str(error), "correct it in the host's device tree"
        )
        return
    if reach is None:
        return
    # Behind an IOMMU the device's own addresses are the guest's; without one they come out as the guest's.
    windows = [(span.parent if device.iommu_group is None else span.child, span.size) for span in reach]
    outside = next((bank for bank in banks if not _covers(windows, bank)), None)
    if outside is not None or not any(span.size for span in reach):
        place = "" if outside is None else f" at {outside.address:#x}"
        yield Finding(
            "dma-window",
            Severity.REFUSAL,
            device.name,
            f"its DMA does not reach the guest's RAM{place} (dma-ranges of its bus)",
            "give the VM less memory, or huge pages at addresses that the device reaches",
        )


def given_iommu_findings(device: HostDevice, tree: Tree, present: Collection[str]) -> Iterator[Finding]:
    """What is to be said when an IOMMU goes to the guest; `present` are the paths of what goes there."""
    if "#iommu-cells" in tree[device.node_path].properties:
        yield Finding(
            "iommu-given",
            Severity.WARNING,
            device.name,
            "it is an IOMMU, and the guest sets it up: nothing keeps those behind it from the host's memory",
            "leave it with the host, where it translates for devices that are passed alone",
        )
    try:
        stated = parse_references(tree, device.node_path, "iommus", "#iommu-cells")
    except TreeError:
        return
    given = next((entry.target for entry in stated if entry.target in present), None)
    if given is not None and device.iommu_group is not None:
        yield Finding(
            "iommu-given",
            Severity.REFUSAL,
            device.name,
            f"the host translates for it with {given}, which is to be passed too",
            "leave the IOMMU with the host",
        )


def _group_findings(device: HostDevice, neighbours: Sequence[HostDevice]) -> Iterator[Finding]:
    others = [
        other.name
        for other in neighbours
        if other.iommu_group == device.iommu_group and other.name != device.name
    ]
    if others:
        yield Finding(
            "group-shared",
            Severity.WARNING,
            device.name,
            f"{', '.join(others)} shares its IOMMU group {device.iommu_group}",
            "VFIO opens a group when none of its devices is left with a host driver: claim them too",
        )


def _covers(windows: Sequence[tuple[int, int]], bank: Bank) -> bool:
    at = bank.address
    for start, size in sorted(windows):
        if start <= at:
            at = max(at, start + size)
    return at >= bank.address + bank.size


def _no_iommu(device: HostDevice, tree: Tree) -> Finding:
    cause = (
        "it is in no IOMMU group, so its DMA is direct: the guest's RAM must lie at its host physical address"
    )
    remedy = "load vfio-forward with direct_dma=1 and reserve huge pages"
    try:
        stated = parse_references(tree, device.node_path, "iommus", "#iommu-cells")
    except TreeError:
        stated = ()
    if any(entry.target for entry in stated):
        target = next(entry.target for entry in stated if entry.target)
        remedy = f"its tree names the IOMMU {target}: enable that one's driver; or {remedy}"
    return Finding("no-iommu", Severity.WARNING, device.name, cause, remedy)
