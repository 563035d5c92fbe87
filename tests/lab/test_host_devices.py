# SPDX-License-Identifier: Apache-2.0
"""The list of devices, compared with what /sys says."""

import json
from pathlib import PurePosixPath
from typing import Any

from midway.lab.running import RunningBoard

LIST = """
for path in /sys/bus/platform/devices/* /sys/bus/amba/devices/*; do
    [ -e "$path/of_node/reg" ] && echo "$path $(readlink "$path/driver") $(readlink "$path/iommu_group")"
done
true
"""


def listed(board: RunningBoard) -> dict[str, dict[str, Any]]:
    done = board.run(["midway", "devices", "--json"], timeout=60, check=True)
    return {device["name"]: device for device in json.loads(done.stdout)["devices"]}


def test_every_device_with_registers_is_listed_with_its_driver(each_board: RunningBoard) -> None:
    devices = listed(each_board)
    seen = {}
    for line in each_board.run(["sh", "-c", LIST], check=True).text.splitlines():
        path, _, links = line.partition(" ")
        driver, _, _ = links.partition(" ")
        seen[PurePosixPath(path).name] = PurePosixPath(driver).name or None
    assert {name: device["driver"] for name, device in devices.items()} == seen


def test_registers_and_groups_are_those_the_kernel_has(each_board: RunningBoard) -> None:
    for name, device in listed(each_board).items():
        if device["bus"] == "platform" and device["regions"]:
            assert name.startswith(f"{device['regions'][0]['address']:x}.")
        link = f"/sys/bus/{device['bus']}/devices/{name}/iommu_group"
        group = each_board.run(["readlink", link]).text.strip().rpartition("/")[2]
        assert device["iommu_group"] == (int(group) if group else None)


def test_the_lines_are_those_of_the_kernels_interrupt_table(versal: RunningBoard) -> None:
    rows = [row.split() for row in versal.get("/proc/interrupts").decode().splitlines()]
    lines = listed(versal)["ff0d0000.ethernet"]["lines"]
    assert [(line["spi"], line["trigger"], line["duplicate_of"]) for line in lines] == [
        (58, "level-high", None),
        (58, "level-high", 0),
    ]
    assert [row[3:6] for row in rows if row[-1] == "eth1"] == [["GICv3", "90", "Level"]]


def test_what_the_host_uses_is_marked(versal: RunningBoard) -> None:
    used = {name: [use["code"] for use in device["in_use"]] for name, device in listed(versal).items()}
    assert used["ff0c0000.ethernet"] == ["interface-up"]
    assert used["ff0d0000.ethernet"] == []
    assert "device-open" in used["a0000e00.virtio_mmio"]
    assert "disk-in-use" in used["a0000c00.virtio_mmio"]
    text = versal.run(["midway", "devices"], timeout=60, check=True).text
    (row,) = (line for line in text.splitlines() if line.startswith("ff0c0000.ethernet"))
    assert "in use: interface-up" in row
