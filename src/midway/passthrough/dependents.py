# SPDX-License-Identifier: Apache-2.0
"""Who points to whom on the host: a device that others need cannot simply leave it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from midway.devicetree.index import Tree
from midway.devicetree.values import is_enabled
from midway.errors import TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice
from midway.passthrough.providers import references_of
from midway.passthrough.rules import RULES

__all__ = ["Dependents", "dependent_findings", "dependents"]

Dependents = Mapping[str, Mapping[str, bool]]
_SHOWN = 3


def dependents(tree: Tree, devices: Sequence[HostDevice]) -> Dependents:
    """By provider's path: the enabled nodes that point to it, and whether they cannot do without."""
    found: dict[str, dict[str, bool]] = defaultdict(dict)
    for device in devices:
        for line in device.lines:
            found[line.controller][device.node_path] = True
    pending = [("", tree.root)]
    while pending:
        prefix, node = pending.pop()
        if not is_enabled(node):
            continue
        path = prefix or "/"
        pending.extend((f"{prefix}/{child.name}", child) for child in node.children)
        for name in node.properties:
            rule = RULES.find(name)
            if rule is None:
                continue
            try:
                entries = references_of(tree, path, name, rule)
            except TreeError:
                continue  # a fault of that node, found when it is passed itself
            for entry in entries:
                if entry.target:
                    known = found[entry.target].get(path, False)
                    found[entry.target][path] = known or rule.critical
    return found


def dependent_findings(
    device: HostDevice, paths: Sequence[str], passed: Sequence[str], known: Dependents
) -> Iterator[Finding]:
    """What is to be said of those that need the device; `paths` are its nodes, `passed` all passed."""
    users: dict[str, bool] = {}
    for path in paths:
        for user, critical in known.get(path, {}).items():
            if not _within(user, passed):
                users[user] = users.get(user, False) or critical
    if not users:
        return
    needing = sorted(user for user, needed in users.items() if needed)
    named = needing or sorted(users)
    shown = ", ".join(named[:_SHOWN]) + (f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else "")
    if needing:
        yield Finding(
            "provider-of-others",
            Severity.REFUSAL,
            device.name,
            f"the host needs it: {shown} cannot work without",
            "pass the devices that need it with it, or disable them in the host's tree",
        )
    else:
        yield Finding(
            "provider-of-others",
            Severity.WARNING,
            device.name,
            f"{shown} on the host uses it and will be without",
            "pass it too, or unbind its driver first",
        )


def _within(path: str, tops: Sequence[str]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)
