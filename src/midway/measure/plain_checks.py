# SPDX-License-Identifier: Apache-2.0
"""What a tree says of registers, interrupts and references, worked out anew on the plain reader's nodes."""

from collections.abc import Iterator

from midway.measure.plain_tree import PlainNode

__all__ = ["reference_faults", "register_places", "spis_of", "wires_of"]

# The specification's and Linux' own references, with the provider's property that counts the arguments.
_ARGUMENTS = {
    "clocks": "#clock-cells",
    "assigned-clocks": "#clock-cells",
    "dmas": "#dma-cells",
    "interconnects": "#interconnect-cells",
    "interrupts-extended": "#interrupt-cells",
    "io-channels": "#io-channel-cells",
    "iommus": "#iommu-cells",
    "mboxes": "#mbox-cells",
    "mux-controls": "#mux-control-cells",
    "phys": "#phy-cells",
    "power-domains": "#power-domain-cells",
    "pwms": "#pwm-cells",
    "resets": "#reset-cells",
    "sound-dai": "#sound-dai-cells",
    "thermal-sensors": "#thermal-sensor-cells",
}
_ALONE = frozenset(
    {
        "interrupt-parent",
        "memory-region",
        "phy-handle",
        "remote-endpoint",
        "operating-points-v2",
        "phy",
        "usb-phy",
    }
)
_SPI = 0


def register_places(node: PlainNode) -> list[tuple[int | None, int]]:
    """Each register block's address for the CPU (None where it sees none) and size, both in bytes."""
    bus = node.above
    wide, long = _cells_of(bus, "#address-cells"), _cells_of(bus, "#size-cells")
    values, step = node.cells("reg"), wide + long
    found = []
    for at in range(0, len(values) - step + 1, step) if step else ():
        address, size = _joined(values[at : at + wide]), _joined(values[at + wide : at + step])
        found.append((_seen_by_cpu(bus, address), size))
    return found


def _seen_by_cpu(bus: PlainNode | None, address: int) -> int | None:
    while bus is not None and bus.above is not None:
        if "ranges" not in bus.properties or bus.properties.get("device_type") in (b"pci\0", b"pciex\0"):
            return None
        values = bus.cells("ranges")
        down, up = _cells_of(bus, "#address-cells"), _cells_of(bus.above, "#address-cells")
        step = down + up + _cells_of(bus, "#size-cells")
        for at in range(0, len(values), step):
            child, size = _joined(values[at : at + down]), _joined(values[at + down + up : at + step])
            if child <= address < child + size:
                address += _joined(values[at + down : at + down + up]) - child
                break
        else:
            if values:
                return None
        bus = bus.above
    return address


def _cells_of(bus: PlainNode | None, name: str) -> int:
    while bus is not None:
        if name in bus.properties:
            return bus.cell(name, 0)
        bus = bus.above
    return 1


def _joined(values: tuple[int, ...]) -> int:
    return int.from_bytes(b"".join(value.to_bytes(4, "big") for value in values), "big")


def wires_of(node: PlainNode, root: PlainNode) -> list[tuple[int, ...]]:
    """The node's interrupts as it states them: the cells of each, with the controller's phandle if stated."""
    by_phandle = {other.cell("phandle", 0): other for other in root.walk()}
    if "interrupts-extended" in node.properties:
        return _entries(node.cells("interrupts-extended"), "#interrupt-cells", by_phandle)
    at: PlainNode | None = node
    parent = None
    while at is not None and (parent is None or "#interrupt-cells" not in parent.properties):
        if "interrupt-parent" in at.properties:
            parent = by_phandle[at.cell("interrupt-parent", 0)]
            if "#interrupt-cells" not in parent.properties:
                at = parent
                continue
        elif at is not node and "#interrupt-cells" in at.properties:
            parent = at
        at = at.above
    values = node.cells("interrupts")
    if not values or parent is None:
        return []
    step = parent.cell("#interrupt-cells", 1)
    return [values[start : start + step] for start in range(0, len(values), step)]


def spis_of(node: PlainNode, root: PlainNode) -> set[int]:
    """The numbers of the SPIs that a guest's node names at the guest's own GIC."""
    (gic,) = (child for child in root.children if child.path.startswith("/interrupt-controller@"))
    wires = wires_of(node, root)
    if "interrupts-extended" in node.properties:
        wires = [wire[1:] for wire in wires if wire[0] == gic.cell("phandle", 0)]
    return {wire[1] for wire in wires if wire[0] == _SPI}


def _entries(values: tuple[int, ...], count: str, by_phandle: dict[int, PlainNode]) -> list[tuple[int, ...]]:
    found = []
    at = 0
    while at < len(values):
        provider = by_phandle.get(values[at]) if values[at] else None
        step = 1 + (provider.cell(count, 0) if provider is not None else 0)
        found.append(values[at : at + step])
        at += step
    return found


def reference_faults(guest: PlainNode, host: PlainNode) -> Iterator[str]:
    """References that lead nowhere, and phandles that are the host's."""
    own = {node.cell("phandle", 0): node for node in guest.walk() if "phandle" in node.properties}
    theirs = {node.cell("phandle", 0) for node in host.walk() if "phandle" in node.properties}
    for phandle in own.keys() & theirs:
        yield f"{own[phandle].path} has a phandle of the host's, {phandle:#x}"
    for node in guest.walk():
        for name in node.properties:
            for phandle in _phandles_in(node, name, own):
                if phandle and phandle not in own:
                    whose = "of the host's" if phandle in theirs else "of nobody's"
                    yield f"{name} of {node.path} has the phandle {phandle:#x}, {whose}"


def _phandles_in(node: PlainNode, name: str, own: dict[int, PlainNode]) -> Iterator[int]:
    if name in _ARGUMENTS:
        yield from (entry[0] for entry in _entries(node.cells(name), _ARGUMENTS[name], own))
    elif name in _ALONE or (name.startswith("pinctrl-") and name[8:].isdigit()):
        yield from node.cells(name)
    elif name in ("iommu-map", "msi-map"):
        yield from node.cells(name)[1::4]
    elif name.endswith(",nr-gpios") or (name == "gpios" and "gpio-hog" in node.properties):
        return  # a count, or pins of its own controller
    elif name.endswith(("-gpios", "-gpio")) or name == "gpios":
        yield from (entry[0] for entry in _entries(node.cells(name), "#gpio-cells", own))
    elif name.endswith("-supply"):
        yield from node.cells(name)[:1]
