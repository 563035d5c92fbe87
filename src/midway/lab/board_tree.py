# SPDX-License-Identifier: Apache-2.0
"""The device trees of boards: QEMU's own, with what they say wrongly put right and what they lack added."""

from collections.abc import Sequence
from pathlib import Path

from midway.devicetree.node import Node, cells, strings
from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.errors import LabError
from midway.lab.boards import Board
from midway.lab.tools import run_tool

__all__ = ["board_tree", "corrected"]

_VIRTIO = "virtio,mmio"
_SMMU = "arm,smmu-v3"
_FIRST_SLOT = 0x0A000000  # physical address
_SLOT_SIZE = 0x200  # bytes
_LEVEL_HIGH = 4  # of an interrupt specifier (dt-bindings/interrupt-controller/irq.h)
_FIRST_STREAM = 0xFFF0  # within the 16 bits of the SMMU, where no PCI function is


def board_tree(board: Board, hardware: Sequence[str], scratch: Path) -> bytes:
    """The tree that QEMU makes for the board, dumped into the directory `scratch` and corrected.

    `hardware` is QEMU's arguments that decide the tree: machine, processors, memory.
    """
    arguments = list(hardware)
    position = arguments.index("-M") + 1
    arguments[position] += ",dumpdtb=board.dtb"
    command = ["qemu-system-aarch64", *arguments, "-nodefaults", "-display", "none"]
    run_tool(command, f"cannot ask QEMU for the device tree of {board.name}", cwd=scratch)
    root = read((scratch / "board.dtb").read_bytes())
    if board.own_tree:
        root = corrected(root, [disk.slot for disk in board.spare_disks if disk.behind_smmu])
    if board.adds_counters:
        # Without an interrupt, which QEMU does not give them: they count, but cannot sample.
        root.children.append(Node("pmu", {"compatible": strings(board.counters)}))
    return write(root)


def corrected(root: Node, behind_smmu: Sequence[int]) -> Node:
    """The tree, changed in place: virtio-mmio lines are level-triggered, as QEMU's device drives them,
    although its tree says edge; and the slots `behind_smmu` belong to the SMMU.

    Raises LabError when the tree has no SMMU or no such slot.
    """
    slots = {_address(node): node for _, node in root.walk() if _is(node, _VIRTIO)}
    for node in slots.values():
        kind, number, _ = (node.properties["interrupts"][at : at + 4] for at in (0, 4, 8))
        node.properties["interrupts"] = kind + number + cells(_LEVEL_HIGH)
    for stream, slot in enumerate(behind_smmu, start=_FIRST_STREAM):
        smmu = next((node for _, node in root.walk() if _is(node, _SMMU)), None)
        disk = slots.get(_FIRST_SLOT + slot * _SLOT_SIZE)
        if smmu is None or disk is None:
            raise LabError(f"QEMU's device tree has no SMMU or no virtio-mmio slot {slot}")
        disk.properties["iommus"] = smmu.properties["phandle"] + cells(stream)
    return root


def _is(node: Node, compatible: str) -> bool:
    return compatible.encode() in node.properties.get("compatible", b"").split(b"\0")


def _address(node: Node) -> int:
    return int(node.name.partition("@")[2], 16)
