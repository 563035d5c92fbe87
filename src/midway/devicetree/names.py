# SPDX-License-Identifier: Apache-2.0
"""The name that Linux gives to the platform device of a node."""

from midway.devicetree.addresses import registers, translate
from midway.devicetree.index import Tree, parent_path
from midway.devicetree.values import number

__all__ = ["base_name", "device_name"]


def base_name(name: str) -> str:
    """A node's name without its unit address."""
    return name.partition("@")[0]


def device_name(tree: Tree, path: str) -> str:
    """The name in /sys/bus/platform/devices.

    A node with registers is ``ff0d0000.ethernet``; one without is named by its ancestors up to the first
    that has some (``soc:timer``).  Raises TreeError when a `reg` or `ranges` on the way is malformed.
    """
    below = ""
    while path != "/":
        name = path.rpartition("/")[2]
        own = registers(tree, path)[:1]
        address = translate(tree, path, own[0][0]) if own else None
        tail = f":{below}" if below else ""
        if address is not None:
            mask = number(tree[path], "mask")
            bit = "" if mask is None else f".{(mask & -mask).bit_length() - 1:x}"
            return f"{address:x}{bit}.{base_name(name)}{tail}"
        below = f"{name}{tail}"
        path = parent_path(path)
    return below
