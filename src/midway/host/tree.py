# SPDX-License-Identifier: Apache-2.0
"""The host's own device tree."""

from pathlib import Path

from midway.devicetree.node import Node
from midway.devicetree.read import read
from midway.errors import HostError, TreeError
from midway.host.sysfs import HostFiles

__all__ = ["host_tree"]

_LARGEST_TREE = 2 << 20  # the arm64 boot protocol's limit (Documentation/arm64/booting.rst)
_DEEPEST = 64
_MOST_NODES = 1 << 16


def host_tree(files: HostFiles | None = None) -> Node:
    """The tree the host booted with: flattened if it can be read (root only), else from directories.

    Raises HostError when the host has none (an x86 machine, or an Arm one with ACPI), TreeError when it is
    malformed.
    """
    files = files or HostFiles()
    flattened = files.read(files.sys / "firmware" / "fdt", _LARGEST_TREE)
    if flattened is not None:
        return read(flattened)
    base = files.sys / "firmware" / "devicetree" / "base"
    if base.is_dir():
        return _Directories(files).node(base, "", 0)
    raise HostError(
        "reading the host's device tree",
        answer=f"neither {files.sys / 'firmware' / 'fdt'} nor {base} is there",
        remedy="Midway needs an Arm host that boots with a device tree, not with ACPI alone",
    )


class _Directories:
    """The tree as directories (nodes) and files (properties), below /sys/firmware/devicetree/base."""

    def __init__(self, files: HostFiles) -> None:
        self._files = files
        self._nodes = 0

    def node(self, directory: Path, name: str, depth: int) -> Node:
        self._nodes += 1
        if depth > _DEEPEST or self._nodes > _MOST_NODES:
            raise TreeError(f"reading {directory}", answer="too many nodes for a device tree")
        node = Node(name)
        for entry in self._files.names(directory):
            path = directory / entry
            if path.is_symlink():
                continue
            if path.is_dir():
                node.children.append(self.node(path, entry, depth + 1))
            elif entry != "name":  # the kernel's own addition to every node
                value = self._files.read(path)
                if value is not None:
                    node.properties[entry] = value
        return node
