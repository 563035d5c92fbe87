# SPDX-License-Identifier: Apache-2.0
"""Damaged device trees: ``python -m midway.measure.fuzz --inputs 100000``.

Every input has to end in a plan, the device's source and a guest's tree as the commands show them, or in an
error of Midway's own, within bounds of time and memory.
"""

import argparse
import random
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from midway.board.describe import plan_as_json
from midway.board.planning import anonymous_banks, plan_machine
from midway.config import DeviceConfig, MachineConfig
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.node import Node, cells, strings
from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.errors import MidwayError
from midway.host.device import HostDevice
from midway.measure.corpus import boards_in, need_debian_boards
from midway.passthrough.planner import Host, assess_all
from midway.passthrough.verdict import Verdict, verdict
from midway.views.nodes import device_source

__all__ = ["Campaign", "damaged", "fuzz", "main"]

_COMMAND = "python -m midway.measure.fuzz"
_ODD = (0, 1, 2, 3, 4, 5, 0x10, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_CELLS = ("#address-cells", "#size-cells", "#interrupt-cells", "#clock-cells", "#phy-cells", "#gpio-cells")
_DEVICES = 6  # of each input: a board's others are like them
_DEEP = 3000
_MEMORY = 256  # MiB of the guests
_IMAGE = 64 << 20  # bytes of their kernels


@dataclass(slots=True)
class Campaign:
    """What became of the inputs: `ends` counts them, `slowest` is in seconds of processor time."""

    ends: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0


def fuzz(seeds: Sequence[bytes], inputs: int, seed: int) -> Campaign:
    """Plan `inputs` damaged trees made of `seeds`.  What is no MidwayError comes through, and is a bug."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    campaign = Campaign()
    for _ in range(inputs):
        blob = damaged(chance.choice(seeds), chance)
        start = time.process_time()
        campaign.ends[_end(blob, chance)] += 1
        campaign.slowest = max(campaign.slowest, time.process_time() - start)
    return campaign


def _end(blob: bytes, chance: random.Random) -> str:
    try:
        tree = Tree(read(blob))
        devices = devices_of(tree)
    except MidwayError:
        return "no tree"
    host = Host(tree, devices)
    end = "planned"
    for device in chance.sample(devices, min(_DEVICES, len(devices))):
        try:
            _show(device, host)
        except MidwayError:
            end = "clean error"
    return end


def _show(device: HostDevice, host: Host) -> None:
    """What `midway tree` prints of any device, and `midway plan` of one that is not refused."""
    plans = assess_all(device, host)
    device_source(plans, host.tree)
    write(plans[0].node)
    if verdict(plans[0].findings) is Verdict.REFUSED:
        return
    config = MachineConfig(
        kernel="", memory=_MEMORY, devices=tuple(DeviceConfig(name=plan.device.name) for plan in plans)
    )
    plan_as_json(
        plan_machine(
            config,
            host.tree.root,
            host.devices,
            banks=anonymous_banks(config),
            image_size=_IMAGE,
            text_offset=0,
        )
    )


def damaged(blob: bytes, chance: random.Random) -> bytes:
    """The tree with one to three kinds of damage."""
    for _ in range(chance.randint(1, 3)):
        blob = chance.choice(_DAMAGES)(blob, chance)
    return blob


def _flipped(blob: bytes, chance: random.Random) -> bytes:
    out = bytearray(blob)
    for _ in range(chance.randint(1, 16) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _truncated(blob: bytes, chance: random.Random) -> bytes:
    return blob[: chance.randrange(len(blob) + 1)]


def _odd_word(blob: bytes, chance: random.Random) -> bytes:
    if len(blob) < 8:
        return blob
    out = bytearray(blob)
    struct.pack_into(">I", out, 4 * chance.randrange(len(out) // 4), chance.choice(_ODD))
    return bytes(out)


def _edited(blob: bytes, chance: random.Random) -> bytes:
    """Sound as a file, and nonsense as a board."""
    try:
        root = read(blob)
    except MidwayError:
        return blob
    nodes = [node for _, node in root.walk()]
    for _ in range(chance.randint(1, 8)):
        chance.choice(_EDITS)(nodes, chance)
    try:
        return write(root)
    except MidwayError:
        return blob


def _cycle(nodes: Sequence[Node], chance: random.Random) -> None:
    """Two nodes point to each other in the same way."""
    name = chance.choice(["interrupt-parent", "clocks", "phys", "phy-handle", "power-domains", "iommus"])
    first, second = chance.choice(nodes), chance.choice(nodes)
    first.properties["phandle"], second.properties["phandle"] = cells(0x7001), cells(0x7002)
    first.properties[name], second.properties[name] = cells(0x7002), cells(0x7001)


def _odd_cells(nodes: Sequence[Node], chance: random.Random) -> None:
    chance.choice(nodes).properties[chance.choice(_CELLS)] = cells(chance.choice(_ODD))


def _odd_value(nodes: Sequence[Node], chance: random.Random) -> None:
    node = chance.choice(nodes)
    if node.properties:
        name = chance.choice([*node.properties])
        node.properties[name] = chance.choice(
            [b"", b"\0", cells(*chance.choices(_ODD, k=5)), chance.randbytes(chance.randrange(64))]
        )


def _swapped(nodes: Sequence[Node], chance: random.Random) -> None:
    first, second = chance.choice(nodes), chance.choice(nodes)
    first.properties, second.properties = second.properties, first.properties


def _odd_map(nodes: Sequence[Node], chance: random.Random) -> None:
    name = chance.choice(["ranges", "dma-ranges", "interrupt-map", "reg", "interrupts-extended"])
    chance.choice(nodes).properties[name] = cells(*chance.choices(_ODD, k=chance.randrange(24)))


def _odd_memory_bus(nodes: Sequence[Node], chance: random.Random) -> None:
    """All DMA passes an interconnect whose `dma-ranges` fit its cells, however many those are."""
    root = nodes[0]
    phandle = 0x7003 + len(root.children)
    wide, long = chance.randint(1, 4), chance.randint(1, 4)
    bus = {
        "phandle": cells(phandle),
        "#interconnect-cells": cells(0),
        "#address-cells": cells(wide),
        "#size-cells": cells(long),
        "dma-ranges": cells(*chance.choices(_ODD, k=wide + 2 + long)),
    }
    root.children.append(Node(f"memory-bus-{phandle:x}", bus))
    for node in nodes[1:]:
        node.properties["interconnects"] = cells(phandle)
        node.properties["interconnect-names"] = strings("dma-mem")


def _deep(blob: bytes, chance: random.Random) -> bytes:
    """Nodes in nodes, as many as a file of some kilobytes can say."""
    depth = chance.choice([60, 63, 64, 65, 200, _DEEP])
    begin = struct.pack(">I", 1) + b"a\0\0\0"
    structure = struct.pack(">II", 1, 0) + begin * depth + struct.pack(">I", 2) * (depth + 1)
    structure += struct.pack(">I", 9)
    header = (0xD00DFEED, 56 + len(structure), 56, 56 + len(structure), 40, 17, 16, 0, 0, len(structure))
    return struct.pack(">10I", *header) + bytes(16) + structure if chance.random() < 0.05 else blob


_EDITS: tuple[Callable[[Sequence[Node], random.Random], None], ...] = (
    _cycle,
    _odd_cells,
    _odd_value,
    _swapped,
    _odd_map,
    _odd_memory_bus,
)
_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped,
    _truncated,
    _odd_word,
    _edited,
    _edited,
    _edited,
    _deep,
)


def main(words: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog=_COMMAND, description="Plan damaged device trees.")
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--trees", type=Path, metavar="PATH", help="DTBs in place of Debian's arm64 boards")
    arguments = parser.parse_args(words)
    try:
        boards = boards_in(arguments.trees or need_debian_boards()[1])
    except MidwayError as error:
        print(f"{_COMMAND}: {error}", file=sys.stderr)
        return error.exit_status
    # The smaller half, so that an hour sees many inputs rather than much of each.
    blobs = sorted((board.path.read_bytes() for board in boards), key=len)[: max(1, len(boards) // 2)]
    found = fuzz(blobs, arguments.inputs, arguments.seed)
    ends = ", ".join(f"{count} {end}" for end, count in found.ends.most_common())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{found.ends.total()} inputs: {ends}; the slowest took {found.slowest:.2f} s")
    print(f"{time.process_time():.0f} s of one core, {memory:.0f} MiB at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
