# SPDX-License-Identifier: Apache-2.0
"""This checkout's Midway as an archive that the kernel unpacks behind the initramfs: nothing cached is
touched.
"""

import importlib.util
import py_compile
from collections.abc import Mapping
from pathlib import Path

from midway.board.cpio import CpioArchive

__all__ = ["PREFIX", "build_payload"]

PREFIX = "/opt/midway"  # where it is on the board
_PACKAGE = Path(__file__).resolve().parents[1]
_SERVER = ("lab/frames.py", "lab/onboard/server.py")
# As pip makes it.  Everything on the board has PYTHONPATH in its environment.
_COMMAND = """#!/usr/bin/python3 -P
import sys
from midway.cli import main
sys.exit(main())
"""


def build_payload(files: Mapping[str, bytes | Path], scratch: Path) -> bytes:
    """Midway below ``/opt/midway/python`` with its byte code, the command, the init script, and `files`.

    `files` maps paths below ``/opt/midway`` to contents, or to a file here whose executable bit is kept.  The
    directory `scratch` is for temporary files.
    """
    byte_code = scratch / "module.pyc"
    archive = CpioArchive()
    archive.file(f"{PREFIX}/bin/midway", _COMMAND.encode(), 0o755)
    archive.file(f"{PREFIX}/init", (_PACKAGE / "lab/onboard/board-init.sh").read_bytes(), 0o755)
    for path in sorted(_PACKAGE.rglob("*.py")):
        _add_module(archive, path, f"{PREFIX}/python/midway/{path.relative_to(_PACKAGE)}", byte_code)
    # Scripts for guests, which a host makes images with.
    for path in sorted(_PACKAGE.glob("bench/onboard/*.sh")):
        archive.file(f"{PREFIX}/python/midway/{path.relative_to(_PACKAGE)}", path.read_bytes())
    # The server must start quickly and whatever state the rest of Midway is in: it gets a tree of its own.
    for name in _SERVER:
        _add_module(archive, _PACKAGE / name, f"{PREFIX}/channel/midway/{name}", byte_code)
    for package in ("midway", "midway/lab", "midway/lab/onboard"):
        archive.file(f"{PREFIX}/channel/{package}/__init__.py", b"")
    for relative, content in files.items():
        if isinstance(content, Path):
            archive.file(f"{PREFIX}/{relative}", content.read_bytes(), content.stat().st_mode & 0o777)
        else:
            archive.file(f"{PREFIX}/{relative}", content)
    return archive.as_bytes()


def _add_module(archive: CpioArchive, source: Path, name: str, byte_code: Path) -> None:
    archive.file(name, source.read_bytes())
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    try:
        py_compile.compile(str(source), str(byte_code), name, doraise=True, invalidation_mode=mode)
    except py_compile.PyCompileError:
        return  # what imports it will say so in Python's own words
    archive.file(importlib.util.cache_from_source(name), byte_code.read_bytes())
