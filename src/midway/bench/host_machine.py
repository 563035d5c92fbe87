# SPDX-License-Identifier: Apache-2.0
"""Where it is measured: the host and the versions of what takes part."""

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import midway
from midway.bench.results import Machine
from midway.devicetree.node import Node
from midway.devicetree.values import text_list

__all__ = ["host_machine", "is_emulated", "tool_version"]

_EMULATED = frozenset({"linux,dummy-virt", "xlnx-versal-virt"})
"""The root nodes of QEMU's boards that can run guests."""

_VERSION = re.compile(r"\d+(?:\.\d+)+\S*")


def is_emulated(tree: Node) -> bool:
    """Whether the host says that it is one of QEMU's boards."""
    return not _EMULATED.isdisjoint(text_list(tree, "compatible"))


def host_machine(tree: Node, programs: Iterable[Path], *, emulated: bool) -> Machine:
    """This host; `programs` are asked for their versions."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    names = text_list(tree, "model") or text_list(tree, "compatible") or ("unknown",)
    return Machine(
        name=names[0],
        emulated=emulated,
        processors=os.cpu_count() or 1,
        memory_mb=pages * size // 1_000_000,
        versions={
            "kernel": os.uname().release,
            "midway": midway.__version__,
            **{program.name: tool_version(program) for program in programs},
        },
    )


def tool_version(program: Path) -> str:
    """What it says to --version; "unknown" when that has no version in it."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = _VERSION.search(said.stdout + said.stderr)
    return found[0].rstrip(",") if found else "unknown"
