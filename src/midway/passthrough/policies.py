# SPDX-License-Identifier: Apache-2.0
"""What a rule about provider references says, and which one is for a property; the rules are in `rules`."""

import re
from enum import StrEnum
from functools import cache

import msgspec

from midway.config import ProviderPolicy
from midway.devicetree.node import Node

__all__ = ["ID_MAP", "OPAQUE", "REST", "Rule", "RuleBook", "StandIn"]

REST = -1  # `Rule.cells`: one entry, of which all after the phandle are arguments
OPAQUE = -2  # `Rule.cells`: the phandles are not at the places where references have them
ID_MAP = -3  # `Rule.cells`: rows of four cells, (first id, phandle, first id there, how many)


class StandIn(StrEnum):
    """What takes a provider's place under the policy FIXED."""

    CLOCK = "fixed clock"
    REGULATOR = "fixed regulator"


class Rule(msgspec.Struct, frozen=True):
    """For the properties `names` (a ``*`` stands for any text, a ``#`` for a number).

    `cells` is the provider's property that counts an entry's arguments, or their number, or REST, OPAQUE or
    ID_MAP.
    `labels` names an entry each and `companions` mean nothing alone: they share the property's fate.  `lost`
    is what the guest goes without.  `critical`: a device that others point to so cannot leave the host unless
    they leave with it; `stays`: not even then.  `otherwise` is the policy where the preferred one cannot be
    had: TOGETHER where no device has the provider, CARVED where the memory's place matters.

    `gaps`: of several entries those that are left out keep their places as empty ones (phandle 0), which to
    Linux are providers that are not there, by index and by name.  False where it stops or fails at an empty
    one, or where places mean nothing: the list gets shorter.

    `unless`: in a node that has this property as well the names mean something else.
    """

    names: tuple[str, ...]
    cells: str | int
    policy: ProviderPolicy
    lost: str = ""
    labels: str | None = None
    companions: tuple[str, ...] = ()
    stand_in: StandIn | None = None
    critical: bool = False
    stays: bool = False
    otherwise: ProviderPolicy = ProviderPolicy.REFUSED
    gaps: bool = True
    unless: str | None = None


class RuleBook:
    """Rules by property name; the first that fits counts, exact names before patterns.

    `plain` are names, or patterns of such, that fit another pattern and yet are no references.
    """

    def __init__(self, rules: tuple[Rule, ...], plain: tuple[str, ...] = ()) -> None:
        self.rules = rules
        self._plain = [_pattern(name) for name in plain]
        self._exact: dict[str, Rule] = {}
        self._patterns: list[tuple[re.Pattern[str], Rule]] = []
        self._belongings: set[str] = set()
        for rule in rules:
            self._belongings.update(rule.companions, (rule.labels,) if rule.labels else ())
            for name in rule.names:
                if "*" in name or "#" in name:
                    self._patterns.append((_pattern(name), rule))
                else:
                    self._exact.setdefault(name, rule)
        self.find = cache(self._find)

    def _find(self, name: str) -> Rule | None:
        if name in self._belongings or any(pattern.fullmatch(name) for pattern in self._plain):
            return None
        if name in self._exact:
            return self._exact[name]
        return next((rule for pattern, rule in self._patterns if pattern.fullmatch(name)), None)

    def of(self, node: Node, name: str) -> Rule | None:
        """The rule for a property of this node."""
        rule = self.find(name)
        return None if rule is None or rule.unless in node.properties else rule

    def belongs(self, name: str) -> bool:
        """Whether the property only labels or completes a reference."""
        return name in self._belongings


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\#", "[0-9]+"))
