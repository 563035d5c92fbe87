# SPDX-License-Identifier: Apache-2.0
"""What `midway run` imports before its guest runs: a module of Python's is up to a tenth of the start."""

import subprocess
import sys

import pytest

# Most is imported by functions, so that the guest's RAM is cleared meanwhile.
PATH_OF_A_RUN = """
import sys
sys.modules["typing_extensions"] = None  # msgspec takes it where it is there, which is beside mypy
before = {*sys.modules}
from midway.cli import main
main(["run", "--kernel", "/nonexistent"])
import midway.vm.machine
from midway.board.plan import Bank
from midway.board.planning import plan_machine
from midway.config import MachineConfig
from midway.devicetree.node import Node
memory = [Bank(0x40000000, 512 << 20)]
plan_machine(MachineConfig(kernel="x"), Node(""), (), banks=memory, image_size=1 << 20, text_offset=0)
"""
PATH_OF_DEVICES = """
import midway.host.claims, midway.host.clocks, midway.host.platform
import midway.passthrough.planner, midway.vm.assigned
"""
SAY = "\nprint(*({*sys.modules} - before))\n"
PATHS = {"without devices": PATH_OF_A_RUN + SAY, "with devices": PATH_OF_A_RUN + PATH_OF_DEVICES + SAY}
MOST_MODULES = {"without devices": 138, "with devices": 190}
# Each is slow to import, or belongs to what a VM has no need of.
NEVER = {
    *("dataclasses", "inspect", "difflib", "json", "tomllib", "subprocess", "tempfile", "shutil", "logging"),
    *("importlib.metadata", "importlib.resources", "asyncio", "concurrent", "multiprocessing", "rich"),
    *("midway.bench", "midway.lab", "midway.measure", "midway.views", "midway.vm.control"),
}
FOR_DEVICES = {
    *("midway.devicetree.addresses", "midway.host.claims", "midway.host.device", "midway.host.groups"),
    *("midway.passthrough.planner", "midway.passthrough.routes", "midway.vm.assigned", "socket"),
}


@pytest.fixture(scope="module")
def imported() -> dict[str, set[str]]:
    def of(program: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
        )
        return {*done.stdout.split()}

    return {name: of(program) for name, program in PATHS.items()}


@pytest.mark.parametrize("path", PATHS)
def test_a_run_imports_nothing_that_it_can_do_without(imported: dict[str, set[str]], path: str) -> None:
    assert imported[path] & NEVER == set()


@pytest.mark.parametrize("path", PATHS)
def test_a_run_imports_no_more_modules_than_it_did(imported: dict[str, set[str]], path: str) -> None:
    assert len(imported[path]) <= MOST_MODULES[path]


def test_a_vm_without_devices_imports_nothing_of_theirs(imported: dict[str, set[str]]) -> None:
    assert imported["without devices"] & FOR_DEVICES == set()
    assert imported["with devices"] >= FOR_DEVICES
