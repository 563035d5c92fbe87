# SPDX-License-Identifier: Apache-2.0
"""The description route's references: each property that points to other nodes, decided by its rule."""

from collections.abc import Callable, Collection, Sequence

from midway.config import DeviceConfig, ProviderPolicy
from midway.devicetree.index import Tree
from midway.devicetree.node import cells
from midway.devicetree.references import Reference, parse_references
from midway.devicetree.values import cell_list, number, text_list
from midway.errors import PlanError, TreeError
from midway.findings import Finding, Severity
from midway.host.device import HostDevice
from midway.passthrough.clocks import assigned_rate, rates_where, static_rate
from midway.passthrough.phandles import GuestPhandles
from midway.passthrough.policies import ID_MAP, OPAQUE, REST, Rule, StandIn
from midway.passthrough.reserved import fixed_place, pool_properties
from midway.passthrough.routes import Decision
from midway.passthrough.rules import RULES
from midway.passthrough.standins import StandIns

__all__ = ["Providers", "references_of"]

_ROW = 4  # cells
_MOST_HERTZ = 0xFFFFFFFF  # a fixed clock's rate is one cell
_ASSIGNED, _PARENTS = "assigned-clocks", "assigned-clock-parents"
_SETTINGS = (_PARENTS, "assigned-clock-rates", "assigned-clock-rates-u64")


def references_of(tree: Tree, path: str, name: str, rule: Rule) -> tuple[Reference, ...]:
    """What a property points to; () when its rule is opaque.  Raises TreeError when it is malformed."""
    if rule.cells == OPAQUE:
        return ()
    if rule.cells == REST:
        values = cell_list(tree[path], name)
        target = tree.path_of(values[0]) if values else None
        return (Reference(target, values[1:]),) if target else ()
    if rule.cells == ID_MAP:
        return _map_rows(tree, path, name)
    return parse_references(tree, path, name, rule.cells)


def _map_rows(tree: Tree, path: str, name: str) -> tuple[Reference, ...]:
    """A reference for each row; its arguments are the row's other cells, in their order."""
    values = cell_list(tree[path], name)
    attempted = f"reading {name!r} of {path}"
    if len(values) % _ROW:
        raise TreeError(attempted, answer="its last row is not complete")
    found = []
    for at in range(0, len(values), _ROW):
        first, phandle, *more = values[at : at + _ROW]
        target = tree.path_of(phandle)
        if target is None:
            raise TreeError(attempted, answer=f"no node has the phandle {phandle:#x}")
        found.append(Reference(target, (first, *more)))
    return tuple(found)


def _with_belongings(name: str, rule: Rule) -> tuple[str, ...]:
    return (name, *rule.companions, *((rule.labels,) if rule.labels else ()))


class Providers:
    """Decides for one device, node by node, and remembers.

    `present` are the paths of all host nodes that this guest gets; `rates` the present rates in Hz of the
    device's `clocks`, in their order, as far as they are known; `owner` names the device that has a node.
    `needs` and `wants` are the devices that would have to come along for TOGETHER.
    """

    def __init__(
        self,
        device: HostDevice,
        config: DeviceConfig,
        tree: Tree,
        present: Collection[str],
        phandles: GuestPhandles,
        rates: Sequence[int | None] = (),
        owner: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        self.device = device
        self.config = config
        self.tree = tree
        self.present = present
        self.phandles = phandles
        self.rates = rates
        self.owner = owner
        self.needs: set[str] = set()
        self.wants: set[str] = set()
        self.stand_ins = StandIns(device.name, phandles)
        self.decisions: list[Decision] = []
        self.findings: list[Finding] = []
        self._overridden: set[str] = set()

    def rewrite(self, path: str) -> dict[str, bytes | None]:
        """New values for those properties of a node that are references or belong to one; None drops it."""
        changes: dict[str, bytes | None] = {}
        node = self.tree[path]
        for name in node.properties:
            rule = RULES.of(node, name)
            if rule is not None:
                changes.update(self._one(path, name, rule))
        if _ASSIGNED in changes:
            changes.update(self._settings_of_clocks(path, is_kept=changes[_ASSIGNED] is not None))
        return changes

    def check_overrides(self) -> None:
        """Raises PlanError when the configuration overrides what the device does not have."""
        unknown = {*self.config.policies} - self._overridden
        if unknown:
            raise PlanError(
                f"applying the policy for {min(unknown)!r}",
                device=self.device.name,
                answer="its node has no such reference",
            )
        if not self.config.clocks:
            return
        count = len(self._entries(self.device.node_path, "clocks"))
        labels = text_list(self.tree[self.device.node_path], "clock-names")[:count]
        missing = {*self.config.clocks} - {*labels, *map(str, range(count))}
        if missing:
            raise PlanError(
                f"setting the rate of clock {min(missing)!r}",
                device=self.device.name,
                answer=f"its clocks are {', '.join(labels) or 'unnamed: use their indices'}",
            )

    def _one(self, path: str, name: str, rule: Rule) -> dict[str, bytes | None]:
        policy = self.config.policies.get(name, rule.policy)
        self._overridden.add(name)
        try:
            found = references_of(self.tree, path, name, rule)
        except TreeError as error:
            return self._malformed(path, name, rule, policy, error)
        outside = [entry for entry in found if entry.target and entry.target not in self.present]
        if found and not outside:
            self._decide(path, name, found, None, "goes to the guest too")
            return {name: self._encode(found, rule.cells)}
        if not found and rule.cells == REST:
            return {}
        if policy is ProviderPolicy.FIXED:
            return self._fix(path, name, rule, found)
        if policy is ProviderPolicy.CARVED:
            carved = self._carve(path, name, found)
            if carved is not None:
                return carved
            policy = rule.otherwise
        return self._leave_out(path, name, rule, policy, found, outside)

    def _settings_of_clocks(self, path: str, *, is_kept: bool) -> dict[str, bytes | None]:
        """The parents and rates of those clocks that go to the guest.

        Linux finds both by the clock's place (6.1, drivers/clk/clk-conf.c).  A parent whose clock is an empty
        entry fails the device's probe; a rate of such a clock moves all later rates to other clocks.
        """
        clocks = self._entries(path, _ASSIGNED) if is_kept else ()
        kept = [entry.target in self.present for entry in clocks]
        found = self._entries(path, _PARENTS)
        parents = [
            entry if entry.target in self.present and at < len(kept) and kept[at] else Reference(None)
            for at, entry in enumerate(found)
        ]
        lost = [entry for entry in found if entry.target in self.present and entry not in parents]
        if lost:
            self.decisions = [
                made for made in self.decisions if (made.node, made.property) != (path, _PARENTS)
            ]
            self._decide(path, _PARENTS, lost, ProviderPolicy.HOST, "their clocks stay with the host")
        if not is_kept:
            return dict.fromkeys(_SETTINGS)
        changes: dict[str, bytes | None] = {**rates_where(kept, self.tree[path])}
        if parents:
            changes[_PARENTS] = self._encode(parents) if any(entry.target for entry in parents) else None
        return changes

    def _entries(self, path: str, name: str) -> tuple[Reference, ...]:
        """() for a property that is not there or malformed, which then has its finding."""
        rule = RULES.find(name)
        try:
            return () if rule is None else references_of(self.tree, path, name, rule)
        except TreeError:
            return ()

    def _leave_out(
        self,
        path: str,
        name: str,
        rule: Rule,
        policy: ProviderPolicy,
        found: Sequence[Reference],
        outside: Sequence[Reference],
    ) -> dict[str, bytes | None]:
        """Only entries that stay within the guest are left, at their places where they mean something."""
        if policy is ProviderPolicy.HELD:
            self._decide(path, name, outside, policy, "kept on by the host")
        elif policy is ProviderPolicy.HOST:
            self._decide(path, name, outside, policy, "done by the host")
        else:
            self._go_without(path, name, rule, policy, outside)
        inside = [entry for entry in found if entry not in outside]
        if not any(entry.target for entry in inside):
            return dict.fromkeys(_with_belongings(name, rule))
        if rule.gaps:
            left = [entry if entry in inside else Reference(None) for entry in found]
            return {name: self._encode(left, rule.cells)}
        # No rule without places has labels.
        return {**dict.fromkeys(rule.companions), name: self._encode(inside)}

    def _go_without(
        self, path: str, name: str, rule: Rule, policy: ProviderPolicy, outside: Sequence[Reference]
    ) -> None:
        """Nothing takes the targets' place: a finding that says what is lost, and who has it."""
        lost = rule.lost or "what it provides"
        paths = sorted({entry.target for entry in outside if entry.target})
        # What does not say that it provides such a thing is not worth bringing along for it.
        providing = [
            target
            for target in paths
            if not isinstance(rule.cells, str) or rule.cells in self.tree[target].properties
        ]
        owners = sorted({owner for owner in map(self.owner, providing) if owner} - {self.device.name})
        if name == "memory-region":
            lost = ", ".join(fixed_place(self.tree, target) for target in paths) or lost
        asked = self.config.policies.get(name) is ProviderPolicy.TOGETHER
        if policy is ProviderPolicy.TOGETHER and not asked:
            policy = rule.otherwise
        refused = (asked or policy is ProviderPolicy.REFUSED) and path == self.device.node_path
        together = ProviderPolicy.TOGETHER in (rule.policy, policy) and policy is not ProviderPolicy.DROPPED
        if (owners and ProviderPolicy.TOGETHER is rule.policy) or asked:
            (self.needs if refused else self.wants).update(owners)
        self._decide(path, name, outside, policy, f"the guest goes without {lost}")
        shared = rule.policy is ProviderPolicy.TOGETHER or asked
        remedy = f"pass {' and '.join(owners)} to the same VM" if owners and shared else ""
        if refused:
            remedy += "; or " if remedy else ""
            remedy += f'if its driver can do without, say so: policies = {{ "{name}" = "dropped" }}'
        code = (
            "needs-others"
            if refused and together and owners
            else "provider-refused"
            if refused
            else "provider-dropped"
        )
        self.findings.append(
            Finding(
                code,
                Severity.REFUSAL if refused else Severity.WARNING,
                self.device.name,
                f"{self._title(path, name)} points to {', '.join(paths) or 'other nodes'}, "
                f"and the guest goes without {lost}",
                remedy,
            )
        )

    def _carve(self, path: str, name: str, found: Sequence[Reference]) -> dict[str, bytes | None] | None:
        """Pools in the guest's RAM; None when one of the regions cannot be anywhere else."""
        pools = [(entry.target, pool_properties(self.tree, entry.target)) for entry in found if entry.target]
        if len(pools) != len(found) or not pools:
            return None
        parts = []
        for target, properties in pools:
            if properties is None:
                return None
            parts.append(cells(self.stand_ins.pool(target, properties)))
        self._decide(path, name, found, ProviderPolicy.CARVED, "reserved in the guest's own RAM")
        return {name: b"".join(parts)}

    def _fix(self, path: str, name: str, rule: Rule, found: Sequence[Reference]) -> dict[str, bytes | None]:
        if rule.stand_in is None:
            raise PlanError(
                f"applying the policy for {name!r}",
                device=self.device.name,
                answer="nothing can stand in for it",
            )
        parts = []
        outcomes = []
        for at, entry in enumerate(found):
            if entry.target is None or entry.target in self.present:
                parts.append(self._encode([entry]))
            elif rule.stand_in is StandIn.CLOCK:
                phandle, outcome = self._clock(path, at, entry)
                parts.append(cells(phandle))
                outcomes.append(outcome)
            else:
                phandle, outcome = self._regulator(path, name, entry)
                parts.append(cells(phandle))
                outcomes.append(outcome)
        self._decide(path, name, found, ProviderPolicy.FIXED, ", ".join(outcomes))
        return {name: b"".join(parts)}

    def _clock(self, path: str, at: int, clock: Reference) -> tuple[int, str]:
        labels = text_list(self.tree[path], "clock-names")
        label = labels[at] if at < len(labels) else str(at)
        rate = self._rate(path, at, label, clock)
        if rate is None:
            self.findings.append(
                Finding(
                    "clock-rate-unknown",
                    Severity.WARNING,
                    self.device.name,
                    f"no rate is known of clock {label} of {self._title(path)} ({clock.target})",
                    f"give it: clocks = {{ {label} = RATE }}; with vfio-forward bound, the host reports it",
                )
            )
        phandle = self.stand_ins.clock((clock.target, clock.arguments), label, rate or 0)
        return phandle, f"{label}: {'unknown rate' if rate is None else f'{rate} Hz'}"

    def _rate(self, path: str, at: int, label: str, clock: Reference) -> int | None:
        present = None
        if path == self.device.node_path:
            stated = self.config.clocks.get(label) or self.config.clocks.get(str(at))
            if stated is not None:
                return stated
            present = self.rates[at] if at < len(self.rates) else None
        rate = present or static_rate(self.tree, clock) or assigned_rate(self.tree, path, clock)
        return rate if rate is not None and rate <= _MOST_HERTZ else None

    def _regulator(self, path: str, name: str, entry: Reference) -> tuple[int, str]:
        node = self.tree[entry.target or "/"]
        try:
            lowest, highest = (number(node, f"regulator-{end}-microvolt") for end in ("min", "max"))
        except TreeError:
            lowest = highest = None
        voltage = lowest if lowest == highest else None
        if voltage is None:
            self.findings.append(
                Finding(
                    "voltage-unknown",
                    Severity.NOTE,
                    self.device.name,
                    f"the tree gives {self._title(path, name)} ({entry.target}) no fixed voltage: "
                    "its stand-in has none",
                )
            )
        phandle = self.stand_ins.regulator((entry.target,), name.removesuffix("-supply"), voltage)
        return phandle, "unknown voltage" if voltage is None else f"{voltage} uV"

    def _malformed(
        self, path: str, name: str, rule: Rule, policy: ProviderPolicy, error: TreeError
    ) -> dict[str, bytes | None]:
        needed = policy in (ProviderPolicy.FIXED, ProviderPolicy.REFUSED) and path == self.device.node_path
        self.findings.append(
            Finding(
                "malformed-reference",
                Severity.REFUSAL if needed else Severity.WARNING,
                self.device.name,
                str(error),
                "correct it in the host's device tree",
            )
        )
        self._decide(path, name, (), policy, "malformed: left out")
        return dict.fromkeys(_with_belongings(name, rule))

    def _encode(self, entries: Sequence[Reference], kind: str | int = 0) -> bytes:
        """The property's value; `kind` is its rule's `cells`."""
        if kind == ID_MAP:  # an empty row would be none
            return b"".join(
                cells(entry.arguments[0], self.phandles.of(entry.target), *entry.arguments[1:])
                for entry in entries
                if entry.target
            )
        return b"".join(
            cells(0) if entry.target is None else cells(self.phandles.of(entry.target), *entry.arguments)
            for entry in entries
        )

    def _decide(
        self, path: str, name: str, entries: Sequence[Reference], policy: ProviderPolicy | None, outcome: str
    ) -> None:
        targets = tuple(dict.fromkeys(entry.target for entry in entries if entry.target))
        self.decisions.append(Decision(path, name, targets, policy, outcome))

    def _title(self, path: str, name: str | None = None) -> str:
        below = path.removeprefix(self.device.node_path).removeprefix("/")
        if name is None:
            return f"its child {below}" if below else "its node"
        return f"{name} of its child {below}" if below else name
