# SPDX-License-Identifier: Apache-2.0
"""The platform devices that Linux makes of a tree."""

from collections.abc import Iterator

from midway.devicetree.addresses import registers, translate
from midway.devicetree.index import Tree
from midway.devicetree.interrupts import lines
from midway.devicetree.names import device_name
from midway.devicetree.node import Node
from midway.devicetree.values import is_enabled, text_list
from midway.errors import TreeError
from midway.host.device import Bus, HostDevice, Line, Region

__all__ = ["device_at", "devices_of", "host_devices"]

# Children of these become devices of their own at boot (Linux: of_default_bus_match_table).
_BUSES = frozenset({"simple-bus", "simple-mfd", "isa", "arm,amba-bus"})
_AMBA = "arm,primecell"


def host_devices(tree: Node) -> tuple[HostDevice, ...]:
    """Every enabled device with registers that the CPU reaches, in the tree's order.

    Children of a device that is no bus are listed with `made_by`: it is that device's driver that makes them.
    Raises TreeError when the tree as a whole is malformed; what is wrong with one device is in its `faults`.
    """
    return devices_of(Tree(tree))


def devices_of(tree: Tree) -> tuple[HostDevice, ...]:
    """As `host_devices`."""
    return tuple(_below(tree, tree.root, "", None))


def _below(tree: Tree, bus: Node, prefix: str, made_by: str | None) -> Iterator[HostDevice]:
    for node in bus.children:
        path = f"{prefix}/{node.name}"
        compatible = text_list(node, "compatible")
        if not compatible or not is_enabled(node):
            continue
        device = device_at(tree, path, made_by)
        if device is not None:
            yield device
        if _AMBA not in compatible:
            maker = made_by if _BUSES.intersection(compatible) else device.name if device else made_by or path
            yield from _below(tree, node, path, maker)


def device_at(tree: Tree, path: str, made_by: str | None = None) -> HostDevice | None:
    """The device of one node; None when the CPU reaches no registers of it."""
    node = tree[path]
    faults = []
    regions: tuple[Region, ...] = ()
    wires: tuple[Line, ...] = ()
    try:
        regions = tuple(_regions(tree, path))
        name = device_name(tree, path)
    except TreeError:
        return None  # Linux cannot make a device of it either
    if not regions:
        return None
    try:
        wires = lines(tree, path)
    except TreeError as error:
        faults.append(str(error))
    compatible = text_list(node, "compatible")
    return HostDevice(
        name=name,
        node_path=path,
        compatible=compatible,
        regions=regions,
        lines=wires,
        bus=Bus.AMBA if _AMBA in compatible else Bus.PLATFORM,
        made_by=made_by,
        faults=tuple(faults),
    )


def _regions(tree: Tree, path: str) -> Iterator[Region]:
    """The node's regions up to the first that the CPU does not reach, as Linux counts them."""
    names = text_list(tree[path], "reg-names")
    for index, (address, size) in enumerate(registers(tree, path)):
        place = translate(tree, path, address)
        if place is None:
            return
        yield Region(index, place, size, names[index] if index < len(names) else None)
