# SPDX-License-Identifier: Apache-2.0
"""The examples in docs/python.md do what they say."""

import re
from pathlib import Path

from midway.lab.guest import GuestTask, said
from midway.lab.running import RunningBoard

DOCUMENT = Path(__file__).parents[2] / "docs/python.md"
LIST, CLAIM, RUN = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
NIC = "ff0d0000.ethernet"
CONFIG = """
kernel = "/boot/vmlinuz-{release}"
initrd = "initrd"
append = "{append}"
memory = 1024

[[devices]]
name = "ff0d0000.ethernet"
"""


def run(board: RunningBoard, program: str, cwd: str = "/root") -> str:
    return board.run(["python3", "-c", program], check=True, timeout=300, cwd=cwd).text


def test_the_first_example_lists_the_devices_and_what_the_host_lacks(versal: RunningBoard) -> None:
    text = run(versal, LIST)
    assert f"{NIC} macb direct passable with findings" in text
    assert "its network interface eth0 is up" in text
    assert "guests can run here: True" in text


def test_the_second_example_claims_a_nic_and_gives_it_back(versal: RunningBoard) -> None:
    assert f"{NIC} came from macb, VFIO's group is /dev/vfio/" in run(versal, CLAIM)
    link = versal.run(["readlink", f"/sys/bus/platform/devices/{NIC}/driver"]).text
    assert link.strip().endswith("/macb")


def test_the_third_example_runs_a_guest_to_its_end(versal: RunningBoard) -> None:
    task = GuestTask("say example done\n")
    directory = versal.run(["mktemp", "-d"], check=True).text.strip()
    root = versal.root
    versal.put(f"{directory}/initrd", task.initramfs(root.tree, root.kernel_release))
    config = CONFIG.format(release=root.kernel_release, append=task.command_line)
    versal.put(f"{directory}/vm.toml", config.encode())
    text = run(versal, RUN, directory)
    versal.run(["rm", "-r", directory], check=True)
    assert said(text)["example"] == "done"
    assert "the guest ended: power-off" in text
    assert f"{NIC} line 0: 0 interrupts, 0 of them through user space" in text
