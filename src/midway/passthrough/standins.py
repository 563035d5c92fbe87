# SPDX-License-Identifier: Apache-2.0
"""The nodes that take a provider's place in the guest: fixed clocks, fixed regulators, reserved memory."""

import re
from collections.abc import Callable

from midway.devicetree.node import Node, cells, strings
from midway.passthrough.phandles import GuestPhandles

__all__ = ["StandIns"]

_NOT_IN_A_NAME = re.compile(r"[^0-9a-z]+")  # of a node without an address, as bindings spell them


class StandIns:
    """The stand-ins of one device; one that is asked for twice is made once."""

    def __init__(self, device: str, phandles: GuestPhandles) -> None:
        self._device = device
        self._phandles = phandles
        self._nodes: dict[str, Node] = {}
        self._pools: dict[str, Node] = {}
        self._made: dict[tuple[object, ...], str] = {}

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(self._nodes.values())

    @property
    def pools(self) -> tuple[Node, ...]:
        """Children of the guest's /reserved-memory."""
        return tuple(self._pools.values())

    def clock(self, source: tuple[object, ...], title: str, rate: int) -> int:
        """The phandle of a fixed clock of `rate` Hz that stands for the host's `source`."""
        return self._make(
            ("clock", *source, rate),
            f"clock-{self._device}-{title}",
            lambda name: {
                "compatible": strings("fixed-clock"),
                "#clock-cells": cells(0),
                "clock-frequency": cells(rate),
                "clock-output-names": strings(name),
            },
        )

    def regulator(self, source: tuple[object, ...], title: str, microvolts: int | None) -> int:
        """The phandle of a regulator that is always on; `microvolts` None leaves its voltage unsaid."""
        voltage = (
            {}
            if microvolts is None
            else {
                "regulator-min-microvolt": cells(microvolts),
                "regulator-max-microvolt": cells(microvolts),
            }
        )
        return self._make(
            ("regulator", *source),
            f"regulator-{self._device}-{title}",
            lambda name: {
                "compatible": strings("regulator-fixed"),
                "regulator-name": strings(name),
                **voltage,
                "regulator-always-on": b"",
            },
        )

    def pool(self, source: str, properties: dict[str, bytes]) -> int:
        """The phandle of a part of the guest's RAM that is reserved in place of the host's `source`."""
        if source not in self._pools:
            name = self._free_name(f"{source.rpartition('/')[2].partition('@')[0]}-{self._device}")
            self._pools[source] = Node(name, {**properties, "phandle": cells(self._phandles.of(_key(name)))})
        return self._phandles.of(_key(self._pools[source].name))

    def _make(
        self, source: tuple[object, ...], wanted: str, properties: Callable[[str], dict[str, bytes]]
    ) -> int:
        if source not in self._made:
            name = self._free_name(wanted)
            node = Node(name, properties(name))
            node.properties["phandle"] = cells(self._phandles.of(_key(name)))
            self._nodes[name] = node
            self._made[source] = name
        return self._phandles.of(_key(self._made[source]))

    def _free_name(self, wanted: str) -> str:
        """A node's name that no other stand-in of the guest's has."""
        base = name = _NOT_IN_A_NAME.sub("-", wanted.lower()).strip("-")
        count = 1
        while self._phandles.knows(_key(name)):
            count += 1
            name = f"{base}-{count}"
        return name


def _key(name: str) -> str:
    """The stand-in among the guest's phandles."""
    return f"stand-in {name}"
