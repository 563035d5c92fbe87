# SPDX-License-Identifier: Apache-2.0
"""What a rule about provider references says, and which one is for a property; the rules are in `rules`."""

from enum import StrEnum
from functools import cache

import msgspec

from midway.config import ProviderPolicy

__all__ = ["ID_MAP", "OPAQUE", "REST", "Rule", "RuleBook", "StandIn"]

REST = -1  # `Rule.cells`: one entry, of which all after the phandle are arguments
OPAQUE = -2  # `Rule.cells`: the phandles are not at the places where references have them
ID_MAP = -3  # `Rule.cells`: rows of four cells, (first id, phandle, first id there, how many)


class StandIn(StrEnum):
    """What takes a provider's place under the policy FIXED."""

    CLOCK = "fixed clock"
    REGULATOR = "fixed regulator"


class Rule(msgspec.Struct, frozen=True):
    """For the properties `names` (a ``*`` stands for any text).

    `cells` is the provider's property that counts an entry's arguments, or their number, or REST, OPAQUE or
    ID_MAP.
    `labels` names an entry each and `companions` mean nothing alone: they share the property's fate.  `lost`
    is what the guest goes without.  `critical`: a device that others point to so cannot leave the host unless
    they leave with it; `stays`: not even then.  `otherwise` is the policy where the preferred one cannot be
    had: TOGETHER where no device has the provider, CARVED where the memory's place matters.

    `gaps`: of several entries those that are left out keep their places as empty ones (phandle 0), which to
    Linux are providers that are not there, by index and by name.  False where it stops or fails at an empty
    one, or where places mean nothing: the list gets shorter.
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


class RuleBook:
    """Rules by property name; the first that fits counts, exact names before patterns.

    `plain` are names that fit a pattern and yet are no references.
    """

    def __init__(self, rules: tuple[Rule, ...], plain: frozenset[str] = frozenset()) -> None:
        self.rules = rules
        self._plain = plain
        self._exact: dict[str, Rule] = {}
        self._patterns: list[tuple[str, str, Rule]] = []
        self._belongings: set[str] = set()
        for rule in rules:
            self._belongings.update(rule.companions, (rule.labels,) if rule.labels else ())
            for name in rule.names:
                start, star, end = name.partition("*")
                if star:
                    self._patterns.append((start, end, rule))
                else:
                    self._exact.setdefault(name, rule)
        self.find = cache(self._find)

    def _find(self, name: str) -> Rule | None:
        if name in self._plain or name in self._belongings:
            return None
        if name in self._exact:
            return self._exact[name]
        return next(
            (rule for start, end, rule in self._patterns if name.startswith(start) and name.endswith(end)),
            None,
        )

    def belongs(self, name: str) -> bool:
        """Whether the property only labels or completes a reference."""
        return name in self._belongings
