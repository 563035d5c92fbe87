# SPDX-License-Identifier: Apache-2.0
"""Everything declared in midway.uapi is what the C compiler says of the kernel's headers."""

import importlib
import pkgutil
import shutil
import struct
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

import midway.uapi
from midway.uapi.layout import Layout

COMPILERS = {
    "aarch64": ("aarch64-linux-gnu-gcc-12", "aarch64-linux-gnu-objcopy"),
    "x86_64": ("gcc", "objcopy"),
}
DRIVER_HEADERS = Path(__file__).parents[2] / "drivers" / "vfio-forward"
MODULES = sorted(
    module.name for module in pkgutil.iter_modules(midway.uapi.__path__) if module.name != "layout"
)


def declared(module: ModuleType) -> dict[str, int | Layout]:
    """The module's own public integers and layouts, by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and isinstance(value, int | Layout)
    }


def expectations(module: ModuleType) -> list[tuple[str, str, int]]:
    """(what, C expression, value) of everything the module declares."""
    rows: list[tuple[str, str, int]] = []
    for name, value in declared(module).items():
        if isinstance(value, int):
            rows.append((name, name, value))
            continue
        if not value.partial:
            rows.append((f"sizeof {value.tag}", f"sizeof({value.tag})", value.size))
        for field in value:
            path = f"{value.tag}.{field.name}"
            rows.append((f"offset of {path}", f"offsetof({value.tag}, {field.name})", field.offset))
            if field.count:
                size = f"sizeof((({value.tag} *)0)->{field.name})"
                rows.append((f"size of {path}", size, field.size))
    return rows


def compiled_values(
    module: ModuleType, expressions: list[str], architecture: str, scratch: Path
) -> list[int]:
    """What the architecture's compiler makes of the expressions, read from the object file."""
    compiler, objcopy = COMPILERS[architecture]
    body = ",\n".join(f"(unsigned long long)({expression})" for expression in expressions)
    source = scratch / "declarations.c"
    source.write_text(
        f"#include <stddef.h>\n#include <{module.HEADER}>\n"
        '__attribute__((section(".declared"), used)) static const unsigned long long declared[] = {\n'
        f"{body}\n}};\n"
    )
    binary = scratch / "declared.bin"
    subprocess.run(
        [compiler, "-c", "-I", str(DRIVER_HEADERS), "-o", str(scratch / "declarations.o"), str(source)],
        check=True,
    )
    subprocess.run(
        [objcopy, "-O", "binary", "-j", ".declared", str(scratch / "declarations.o"), str(binary)], check=True
    )
    return [value for (value,) in struct.iter_unpack("<Q", binary.read_bytes())]


def cases() -> list[tuple[str, str]]:
    return [
        (name, architecture)
        for name in MODULES
        for architecture in importlib.import_module(f"midway.uapi.{name}").ARCHITECTURES
    ]


@pytest.mark.parametrize(("name", "architecture"), cases())
def test_every_declaration_is_what_the_compiler_says(name: str, architecture: str, tmp_path: Path) -> None:
    if shutil.which(COMPILERS[architecture][0]) is None:
        pytest.skip(f"no {COMPILERS[architecture][0]} here")
    module = importlib.import_module(f"midway.uapi.{name}")
    rows = expectations(module)
    found = compiled_values(module, [expression for _, expression, _ in rows], architecture, tmp_path)
    assert len(found) == len(rows) > 0
    wrong = [
        (what, hex(expected), hex(value))
        for (what, _, expected), value in zip(rows, found, strict=True)
        if expected != value
    ]
    assert wrong == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_declares_nothing_that_the_comparison_does_not_see(name: str) -> None:
    module = importlib.import_module(f"midway.uapi.{name}")
    seen = declared(module)
    helpers = {"HEADER", "ARCHITECTURES"} | set(dir(importlib.import_module("midway.uapi.layout")))
    unseen = {
        name for name in vars(module) if not name.startswith("_") and name not in seen and name not in helpers
    }
    assert unseen == set()


def test_a_layout_is_padded_by_natural_alignment() -> None:
    layout = Layout("struct example", ("a", "B"), ("b", "I"), ("c", "H"), ("d", "Q"), ("e", "B"))
    assert [field.offset for field in layout] == [0, 4, 8, 16, 24]
    assert layout.size == 32


def test_packed_members_are_read_back() -> None:
    layout = Layout("struct example", ("a", "B"), ("b", "i"), ("c", "H", 3))
    buffer = layout.pack(a=7, b=-2, c=(1, 2, 3))
    assert (layout.get(buffer, "a"), layout.get(buffer, "b")) == (7, -2)
    assert layout.get_array(buffer, "c") == (1, 2, 3)
    layout.put(buffer, "a", 9)
    assert bytes(buffer) == struct.pack("<B3xi3H2x", 9, -2, 1, 2, 3)
