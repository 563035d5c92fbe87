# SPDX-License-Identifier: Apache-2.0
"""Events of the kernel's tracer as values (Documentation/trace/ftrace.rst), and what is read from them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from midway.errors import HostError

__all__ = [
    "CPU_TO_CPU",
    "HANDLER_ENTRY",
    "HANDLER_EXIT",
    "IOCTL",
    "KVM_ENTRY",
    "KVM_EXIT",
    "SPI_LEVEL",
    "TraceEvent",
    "parse_trace",
]

KVM_ENTRY, KVM_EXIT = "kvm_entry", "kvm_exit"
SPI_LEVEL = "vgic_update_irq_pending"
HANDLER_ENTRY, HANDLER_EXIT = "irq_handler_entry", "irq_handler_exit"
IOCTL = "sys_ioctl"
CPU_TO_CPU = "IPI"  # the name of its handlers on arm64

_LINE = re.compile(
    r"\s*(?P<comm>.{1,16}?)-(?P<task>\d+)\s+(?:\([-\d ]+\)\s+)?\[(?P<cpu>\d+)\]\s+(?:\S{4,6}\s+)?"
    r"(?P<seconds>\d+\.\d+): (?P<name>\w+)(?:: | -> (?P<result>\S+)|(?=\())(?P<text>.*)"
)
_EXIT = re.compile(r"(?P<reason>[^:]+): HSR_EC: \S+ \((?P<class>[^)]*)\)")
_LEVEL = re.compile(r"VCPU: (?P<vcpu>-?\d+), IRQ (?P<intid>\d+), level: (?P<level>\d+)")
_IOCTL = re.compile(r"\(fd: \S+, cmd: (?P<command>[0-9a-f]+)")
_PAIRS = re.compile(r"(\w+)=(\S+)")


class TraceEvent(NamedTuple):
    """`seconds` of the trace's clock; `task` is the id of the thread that ran on `cpu` at the time.

    `fields` by event: kvm_exit has `reason` (IRQ, TRAP …) and `class` (of a trap: WFx, DABT_LOW …);
    vgic_update_irq_pending has `vcpu`, `intid` and `level`; sys_ioctl has `command` (hexadecimal) when it is
    called and `result` when it returns; the others have what the kernel prints as NAME=VALUE.
    """

    seconds: float
    cpu: int
    task: int
    name: str
    fields: Mapping[str, str]

    def number(self, field: str) -> int:
        """A field that is a decimal number; -1 where there is none."""
        try:
            return int(self.fields.get(field, "-1"))
        except ValueError:
            return -1

    def raises(self, spi: int, level: int) -> bool:
        """Whether it is the guest's SPI that becomes pending (`level` 1) or is lowered (0)."""
        return self.name == SPI_LEVEL and self.number("intid") == spi + 32 and self.number("level") == level

    def enters(self, irq: int | None) -> bool:
        """Whether it is the host's handler of `irq` (None: of any device) that begins."""
        if self.name != HANDLER_ENTRY or self.is_from_a_cpu:
            return False
        return irq is None or irq == self.number("irq")

    @property
    def is_from_a_cpu(self) -> bool:
        """Whether it is the host's handler of an interrupt from another CPU that begins."""
        return self.name == HANDLER_ENTRY and self.fields.get("name") == CPU_TO_CPU


def parse_trace(lines: Iterable[str]) -> Iterator[TraceEvent]:
    """The events of a tracefs `trace` file, in its order.  Raises HostError for a line of another shape."""
    for line in lines:
        if not line.strip() or line.startswith(("#", "CPU:")):
            continue
        found = _LINE.fullmatch(line.rstrip("\n"))
        if found is None:
            raise HostError("reading the kernel's trace", answer=f"no event: {line.strip()[:120]!r}")
        name = found["name"]
        result = found["result"]
        fields = {"result": result} if result else _fields(name, found["text"])
        yield TraceEvent(float(found["seconds"]), int(found["cpu"]), int(found["task"]), name, fields)


def _fields(name: str, text: str) -> dict[str, str]:
    pattern = {KVM_EXIT: _EXIT, SPI_LEVEL: _LEVEL, IOCTL: _IOCTL}.get(name)
    if pattern is None:
        return dict(_PAIRS.findall(text))
    found = pattern.match(text)
    return found.groupdict() if found else {}
