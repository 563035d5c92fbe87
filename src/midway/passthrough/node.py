# SPDX-License-Identifier: Apache-2.0
"""The description route: the host's node, copied for the guest's platform bus.

The copy hangs below a bus with two cells for addresses and two for sizes, whose addresses are guest physical.
"""

from collections.abc import Mapping, Sequence

from midway.devicetree.addresses import Span, address_cells, cpu_spans, size_cells, spans
from midway.devicetree.index import parent_path
from midway.devicetree.names import base_name
from midway.devicetree.node import Node, cells, cells64
from midway.errors import TreeError
from midway.findings import Severity
from midway.passthrough.copying import Copying
from midway.passthrough.node_interrupts import interrupt_changes, kept_interrupt_parent, line_changes

__all__ = ["OF_A_TREE", "copy_device"]

OF_A_TREE = frozenset({"phandle", "linux,phandle", "status", "name"})  # each tree has its own


def copy_device(work: Copying) -> dict[str, Node]:
    """The device's node with the children that go with it, each by its path on the host, the device's first.

    Its name keeps the host's, with the guest's address.
    """
    top = work.device.node_path
    copies: dict[str, Node] = {}
    for path in work.paths:
        changes = work.providers.rewrite(path)
        changes.update(_top_changes(work) if path == top else interrupt_changes(work, path))
        copies[path] = Node(path.rpartition("/")[2], _applied(work.tree[path].properties, changes))
        if path != top:
            copies[parent_path(path)].children.append(copies[path])
    if not work.nested:
        _state_cells(work, copies[top])
    for path, copy in copies.items():
        _drop_idle_cells(work.tree[path], copy)
    if work.mmio and not work.nested:
        copies[top].name = f"{base_name(copies[top].name)}@{work.mmio[0].guest_address:x}"
    return copies


def _applied(properties: Mapping[str, bytes], changes: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """The properties in their order, changed ones in place, new ones at the end."""
    merged = {name: changes.get(name, value) for name, value in properties.items() if name not in OF_A_TREE}
    merged.update((name, value) for name, value in changes.items() if name not in merged)
    return {name: value for name, value in merged.items() if value is not None}


def _top_changes(work: Copying) -> dict[str, bytes | None]:
    top, tree = work.device.node_path, work.tree
    changes: dict[str, bytes | None] = {
        "interrupt-parent": kept_interrupt_parent(work, top),
        **line_changes(work),
    }
    if work.nested:
        return changes
    changes["reg"] = b"".join(cells64(route.guest_address, route.region.size) for route in work.mmio)
    try:
        windows = _windows(work, cpu_spans(tree, top)) if "ranges" in tree[top].properties else None
        reach = spans(tree, top, "dma-ranges")
    except TreeError as error:
        work.find("malformed-ranges", Severity.REFUSAL, str(error))
        return changes
    if windows is not None:
        changes["ranges"] = _encoded(work, windows) or None
    if reach:
        changes["dma-ranges"] = _encoded(work, reach)
    return changes


def _windows(work: Copying, windows: Sequence[Span] | None) -> list[Span]:
    """What its bus passes on, where the guest finds it: only its regions and those of devices in it."""
    found: list[Span] = []
    for route in (*work.inner, *work.mmio):  # the first that fits counts
        start, end = route.region.address, route.region.address + route.region.size
        for window in (Span(start, start, end - start),) if windows is None else windows:
            low, high = max(start, window.parent), min(end, window.parent + window.size)
            if low < high:
                child = low - window.parent + window.child
                span = Span(child, low - start + route.guest_address, high - low)
                if span not in found:  # a bus may state one window twice
                    found.append(span)
    return found


def _encoded(work: Copying, entries: Sequence[Span]) -> bytes:
    """Entries of `ranges` below a bus that has two cells for addresses; what its cells cannot say goes."""
    wide = address_cells(work.tree, work.device.node_path)
    long = size_cells(work.tree, work.device.node_path)
    return b"".join(
        entry.child.to_bytes(4 * wide, "big") + cells64(entry.parent) + entry.size.to_bytes(4 * long, "big")
        for entry in entries
        if entry.child + entry.size <= 1 << 32 * wide
        and entry.size >> 32 * long == 0
        and entry.parent >> 64 == 0
    )


def _state_cells(work: Copying, copy: Node) -> None:
    """Cells that the host's node inherits are stated: the guest's bus has others."""
    if _uses_cells(copy):
        for name, count in (("#address-cells", address_cells), ("#size-cells", size_cells)):
            copy.properties.setdefault(name, cells(count(work.tree, work.device.node_path)))


def _drop_idle_cells(original: Node, copy: Node) -> None:
    """Cells that were for children which stay behind go, but for what an interrupt-map counts with."""
    if _uses_cells(original) and not _uses_cells(copy):
        copy.properties.pop("#size-cells", None)
        if "#interrupt-cells" not in copy.properties:
            copy.properties.pop("#address-cells", None)


def _uses_cells(node: Node) -> bool:
    return not node.properties.keys().isdisjoint(("ranges", "dma-ranges")) or any(
        "reg" in child.properties for child in node.children
    )
