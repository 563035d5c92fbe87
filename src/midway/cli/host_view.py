# SPDX-License-Identifier: Apache-2.0
"""The host that planning commands look at: this machine, or the one that a DTB describes."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.interrupts import root_gic
from midway.devicetree.node import Node
from midway.devicetree.read import LARGEST_BLOB, read
from midway.devicetree.values import is_enabled
from midway.errors import TreeError
from midway.host.device import HostDevice
from midway.passthrough.planner import Host

__all__ = ["HostView", "add_tree_option", "host_view", "read_tree"]


@dataclass(frozen=True, slots=True)
class HostView:
    """`host` for the planner; `is_live` when it is this machine."""

    host: Host
    is_live: bool

    def device(self, name: str) -> HostDevice:
        """A device by its name or its node's path.  Raises DeviceError, with the names that are near."""
        devices = self.host.devices
        found = next((device for device in devices if name in (device.name, device.node_path)), None)
        if found is not None:
            return found
        from midway.host.platform import absent

        raise absent(name, tuple(device.name for device in devices))

    def gic_version(self) -> int:
        """The version of the host's GIC; 3 when its tree has none."""
        tree = self.host.tree
        found = (root_gic(tree, path) for path, node in tree.nodes.items() if is_enabled(node))
        return next((version for version in found if version is not None), 3)


def add_tree_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tree",
        type=Path,
        metavar="FILE.dtb",
        help="plan for the board that this device tree describes, instead of this host",
    )


def host_view(tree: Path | None) -> HostView:
    """This machine, or the board of a DTB.  Raises HostError, TreeError."""
    if tree is not None:
        index = Tree(read_tree(tree))
        return HostView(Host(index, devices_of(index)), is_live=False)
    from midway.host.platform import Platform
    from midway.passthrough.live import live_host

    return HostView(live_host(Platform()), is_live=True)


def read_tree(path: Path) -> Node:
    """The tree in a file.  Raises TreeError."""
    try:
        with path.open("rb") as file:
            blob = file.read(LARGEST_BLOB + 1)
    except OSError as error:
        raise TreeError(f"reading {path}", answer=error.strerror) from error
    try:
        return read(blob)
    except TreeError as error:
        raise TreeError(
            f"reading {path}", answer=error.answer, remedy="is it a flattened tree (.dtb)?"
        ) from error
