# SPDX-License-Identifier: Apache-2.0
"""The running host, as planning takes it."""

import resource
from functools import partial

from midway.devicetree.index import Tree
from midway.host.clocks import clock_rates
from midway.host.platform import Platform
from midway.passthrough.planner import Host

__all__ = ["live_host"]


def live_host(platform: Platform) -> Host:
    """The platform's tree and devices, the rates that held clocks have now, and this kernel's page size.

    Raises HostError where the host has no device tree, TreeError where it is malformed.
    """
    rates = partial(clock_rates, files=platform.files)
    return Host(Tree(platform.tree), platform.devices, rates, resource.getpagesize())
