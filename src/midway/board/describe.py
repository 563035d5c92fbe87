# SPDX-License-Identifier: Apache-2.0
"""Plans as JSON: what is planned, in plain numbers (addresses and sizes in bytes) and words."""

from typing import Any

import msgspec

from midway.board.plan import MachinePlan, Window
from midway.passthrough.irq import line_spis
from midway.passthrough.routes import DevicePlan, MmioRoute
from midway.passthrough.verdict import verdict

__all__ = ["device_as_json", "plan_as_json"]


def plan_as_json(plan: MachinePlan) -> dict[str, Any]:
    """The whole plan without the tree itself."""
    return {
        "config": msgspec.to_builtins(plan.config),
        "banks": [{"address": bank.address, "size": bank.size} for bank in plan.banks],
        "kernel": {"address": plan.kernel_address},
        "initrd": None
        if plan.initrd_address is None
        else {"address": plan.initrd_address, "size": plan.initrd_size},
        "tree": {"address": plan.tree_address, "size": len(plan.tree)},
        "gic": {
            "version": plan.gic.version,
            "distributor": _window(plan.gic.distributor),
            "second": _window(plan.gic.second),
            "spis": plan.gic.spis,
        },
        "uart": {**_window(plan.uart.window), "spi": plan.uart.spi},
        "panic": _window(plan.panic),
        "marks": _window(plan.marks),
        "devices": [device_as_json(device) for device in plan.devices],
        "findings": [finding.as_json() for finding in plan.findings],
    }


def device_as_json(plan: DevicePlan) -> dict[str, Any]:
    """One device's routes, decisions and findings."""
    device = plan.device
    routes = {route.line.index: route for route in plan.lines}
    return {
        "name": device.name,
        "node": device.node_path,
        "guest_node": plan.node.name,
        "compatible": list(device.compatible),
        "driver": device.driver,
        "iommu_group": device.iommu_group,
        "verdict": verdict(plan.findings).value,
        "mmio": [_mmio(route) for route in plan.mmio],
        "dma": {"kind": plan.dma.kind.value, "group": plan.dma.group},
        "irq": [
            {
                "line": line.index,
                "name": line.name,
                "trigger": line.trigger.value,
                "controller": line.controller,
                "spi": line.spi,
                "duplicate_of": line.duplicate_of,
                "guest_spi": spi,
                "mode": routes[line.index].mode if line.index in routes else None,
                "mode_asked": routes[line.index].asked if line.index in routes else None,
            }
            for line, spi in zip(device.lines, line_spis(device, plan.lines), strict=True)
        ],
        "providers": [
            {
                "node": decision.node,
                "property": decision.property,
                "targets": list(decision.targets),
                "policy": decision.policy,
                "outcome": decision.outcome,
            }
            for decision in plan.decisions
        ],
        "findings": [finding.as_json() for finding in plan.findings],
    }


def _window(window: Window) -> dict[str, int]:
    return {"address": window.address, "size": window.size}


def _mmio(route: MmioRoute) -> dict[str, Any]:
    return {
        "region": route.region.index,
        "name": route.region.name,
        "address": route.region.address,
        "size": route.region.size,
        "guest_address": route.guest_address,
        "mapped": route.mapped,
    }
