# SPDX-License-Identifier: Apache-2.0
"""The names that programs may rely on: removing or renaming one breaks them."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import midway

EXPORTS = {
    "Claim",
    "Console",
    "DeviceConfig",
    "DevicePlan",
    "End",
    "Finding",
    "HostDevice",
    "InterruptMode",
    "Machine",
    "MachineConfig",
    "MachinePlan",
    "MidwayError",
    "Outcome",
    "Platform",
    "Severity",
    "Verdict",
    "__version__",
    "assess",
    "claim",
    "claim_all",
    "claim_lasting",
    "live_host",
    "load",
    "open_machine",
    "plan_machine",
    "readiness",
    "release",
    "release_all",
    "usage",
    "verdict",
}


def test_the_exports_are_exactly_these() -> None:
    assert set(midway.__all__) == EXPORTS
    assert len(midway.__all__) == len(EXPORTS)
    assert dir(midway) == sorted(EXPORTS)


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_every_export_exists_and_says_what_it_is(name: str) -> None:
    value = getattr(midway, name)
    assert isinstance(value, str) or value.__doc__


def test_what_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = midway.nonsense


def test_type_checkers_see_each_export_where_it_comes_from() -> None:
    tree = ast.parse(Path(midway.__file__).read_text())
    declared = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("midway.")
        for alias in node.names
    }
    assert set(declared) | {"__version__"} == EXPORTS
    for name, home in declared.items():
        assert getattr(import_module(home), name) is getattr(midway, name)


def test_importing_midway_imports_nothing_else() -> None:
    program = "import sys, midway; print(*(name for name in sys.modules if name.partition('.')[0] in {0!r}))"
    watched = {"midway", "msgspec", "rich", "libfdt", "argparse", "ctypes"}
    done = subprocess.run(
        [sys.executable, "-c", program.format(watched)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["midway"]
