# SPDX-License-Identifier: Apache-2.0
"""What is put right in the device tree that QEMU makes for its virt board."""

import pytest

from midway.devicetree.node import Node, cells, strings
from midway.errors import LabError
from midway.lab.board_tree import corrected

EDGE, LEVEL = 1, 4


def virtio(slot: int) -> Node:
    properties = {"compatible": strings("virtio,mmio"), "interrupts": cells(0, 16 + slot, EDGE)}
    return Node(f"virtio_mmio@{0xA000000 + slot * 0x200:x}", properties)


def smmu() -> Node:
    return Node("smmuv3@9050000", {"compatible": strings("arm,smmu-v3"), "phandle": cells(0x8005)})


def test_virtio_lines_become_level_triggered_and_others_stay() -> None:
    other = Node("timer", {"compatible": strings("a,timer"), "interrupts": cells(0, 3, EDGE)})
    root = corrected(Node("", {}, [virtio(0), virtio(1), other]), [])
    assert [node.properties["interrupts"] for node in root.children] == [
        cells(0, 16, LEVEL),
        cells(0, 17, LEVEL),
        cells(0, 3, EDGE),
    ]


def test_only_the_chosen_slots_are_behind_the_smmu_each_with_a_stream_of_its_own() -> None:
    root = corrected(Node("", {}, [virtio(0), virtio(8), virtio(9), smmu()]), [8, 9])
    free, first, second, _ = root.children
    assert "iommus" not in free.properties
    assert first.properties["iommus"][:4] == cells(0x8005)
    assert first.properties["iommus"] != second.properties["iommus"]


def test_a_slot_or_smmu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(LabError, match="no SMMU or no virtio-mmio slot 8"):
        corrected(Node("", {}, [virtio(8)]), [8])
    with pytest.raises(LabError, match="no SMMU or no virtio-mmio slot 9"):
        corrected(Node("", {}, [virtio(8), smmu()]), [9])
