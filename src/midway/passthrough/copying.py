# SPDX-License-Identifier: Apache-2.0
"""What the copying of one device's nodes works with."""

from collections.abc import Sequence

import msgspec

from midway.devicetree.index import Tree
from midway.findings import Finding, Severity
from midway.host.device import HostDevice
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.providers import Providers
from midway.passthrough.routes import MmioRoute

__all__ = ["Copying"]


class Copying(msgspec.Struct, frozen=True):
    """`paths` are the nodes to copy, parents first; `spis` the guest's by line, None for a line without.

    `inner` are the regions of other devices that hang below this one's nodes; `nested`: it hangs below
    another's itself, and keeps the addresses that its bus has on the host.
    """

    device: HostDevice
    tree: Tree
    mmio: Sequence[MmioRoute]
    spis: Sequence[int | None]
    phandles: GuestPhandles
    providers: Providers
    paths: Sequence[str]
    inner: Sequence[MmioRoute] = ()
    nested: bool = False
    findings: list[Finding] = []

    def find(self, code: str, severity: Severity, cause: str, remedy: str = "") -> None:
        """Note a finding about the device."""
        self.findings.append(Finding(code, severity, self.device.name, cause, remedy))
