# SPDX-License-Identifier: Apache-2.0
"""Devices within devices: a core below its wrapper hangs below it in the guest as well."""

from collections.abc import Mapping, Sequence

from midway.devicetree.index import Tree, parent_path
from midway.devicetree.node import Node
from midway.devicetree.values import text_list
from midway.findings import Finding, Severity
from midway.host.device import HostDevice, Region
from midway.passthrough.routes import MmioRoute

__all__ = ["Nesting", "block_finding", "register_block"]

_REGISTER_BLOCK = "syscon"  # the binding of registers that several drivers share (mfd/syscon)


def register_block(device: HostDevice, tree: Tree, devices: Sequence[HostDevice]) -> HostDevice | None:
    """The block of shared registers that all of the device's are some of, None where they are its own.

    Linux' drivers for such parts have no registers by themselves: they ask the node above for its regmap.
    """
    above = parent_path(device.node_path)
    if not device.regions or _REGISTER_BLOCK not in text_list(tree[above], "compatible"):
        return None
    block = next((other for other in devices if other.node_path == above), None)
    if block is None or not all(_within(region, block.regions) for region in device.regions):
        return None
    return block


def block_finding(device: HostDevice, block: HostDevice) -> Finding:
    """That the device is nothing without the block, which stays with the host."""
    cause = f"its registers are some of those of {block.name}, through which its driver reaches them"
    return Finding("needs-others", Severity.REFUSAL, device.name, cause, f"pass {block.name} as well")


def _within(region: Region, regions: Sequence[Region]) -> bool:
    end = region.address + region.size
    return any(each.address <= region.address and end <= each.address + each.size for each in regions)


class Nesting:
    """Who encloses whom among the devices of one guest.

    `nodes` are the paths of the nodes that go to the guest by device, `routes` its regions' places; devices
    are named by their paths.
    """

    def __init__(self, nodes: Mapping[str, Sequence[str]], routes: Mapping[str, Sequence[MmioRoute]]) -> None:
        having = {path: top for top, paths in nodes.items() for path in paths}
        self._outer = {top: having[parent_path(top)] for top in nodes if parent_path(top) in having}
        self._routes = routes

    def is_nested(self, top: str) -> bool:
        return top in self._outer

    def inner_routes(self, top: str) -> tuple[MmioRoute, ...]:
        """The regions of all devices that the device encloses, at any depth."""
        return tuple(
            route for inner in self._outer if top in self._around(inner) for route in self._routes[inner]
        )

    def above(self, top: str) -> tuple[str, ...]:
        """The host's paths of what the device hangs below in the guest, the outermost first."""
        if top not in self._outer:
            return ()
        outermost = self._around(top)[-1]
        found = []
        at = parent_path(top)
        while at != outermost:
            found.append(at)
            at = parent_path(at)
        return (outermost, *reversed(found))

    def hang(self, copies: Mapping[str, Node]) -> None:
        """Put the enclosed copies where their originals are; `copies` are by the host's path."""
        for top in self._outer:
            copies[parent_path(top)].children.append(copies[top])

    def _around(self, top: str) -> list[str]:
        """The enclosing devices, nearest first."""
        found = []
        while top in self._outer:
            top = self._outer[top]
            found.append(top)
        return found
