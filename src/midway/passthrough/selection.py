# SPDX-License-Identifier: Apache-2.0
"""Which nodes below a device's node go to the guest with it."""

from collections.abc import Collection, Iterator

import msgspec

from midway.devicetree.addresses import registers, translate
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.values import is_enabled
from midway.errors import TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice

__all__ = ["Selection", "select"]


class Selection(msgspec.Struct):
    """`paths` are the nodes that go, the device's own first; `outside` are children left behind, by path."""

    paths: list[str] = []
    outside: list[str] = []

    def findings(self, device: HostDevice, names: dict[str, str]) -> Iterator[Finding]:
        """What is to be said; `names` are the host's devices by path."""
        for path in self.outside:
            name = names.get(path)
            yield Finding(
                "child-outside",
                Severity.WARNING,
                device.name,
                f"its child {path.rpartition('/')[2]} has registers outside of its own, and is left out",
                f"pass {name} as well, or alone while the host keeps {device.name}" if name else "",
            )


def select(tree: Tree, device: HostDevice, others: Collection[str]) -> Selection:
    """The device's node and those below that are enabled and whose registers, if the CPU sees any, it covers.

    `others` are the paths of the devices that are passed on their own.
    """
    selection = Selection([device.node_path])
    _descend(tree, device, tree[device.node_path], device.node_path, others, selection)
    return selection


def _descend(
    tree: Tree, device: HostDevice, above: Node, prefix: str, others: Collection[str], into: Selection
) -> None:
    for node in above.children:
        path = f"{prefix}/{node.name}"
        if not is_enabled(node) or path in others:
            continue
        if not _covers(tree, device, path):
            into.outside.append(path)
            continue
        into.paths.append(path)
        _descend(tree, device, node, path, others, into)


def _covers(tree: Tree, device: HostDevice, path: str) -> bool:
    """Whether all of the node's registers that the CPU sees lie in the device's regions."""
    try:
        places = [(translate(tree, path, address), size) for address, size in registers(tree, path)]
    except TreeError:
        return False
    return all(
        place is None
        or any(
            region.address <= place and place + size <= region.address + region.size
            for region in device.regions
        )
        for place, size in places
    )
