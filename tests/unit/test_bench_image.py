# SPDX-License-Identifier: Apache-2.0
"""A measured guest's image is made of what the host has: its programs, their libraries, and modules."""

import platform
import shutil
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from midway.bench import image
from midway.bench.image import Link, guest_image
from midway.bench.programs import LIBRARIES, is_static, program_files, program_path
from midway.bench.subject import Subject
from midway.bench.workloads import Kind, Target, named
from midway.errors import HostError

LOADERS = {"x86_64": "/lib64/ld-linux-x86-64.so.2", "aarch64": "/lib/ld-linux-aarch64.so.1"}
LOADER = Path(LOADERS[platform.machine()])


def test_a_program_brings_its_loader_and_all_its_libraries() -> None:
    program = program_path("cat")
    files = program_files([program], LOADER)
    assert files["/bin/cat"] == program
    assert files[str(LOADER)] == LOADER.resolve()
    assert f"{LIBRARIES}/libc.so.6" in files
    assert all(path.is_file() for path in files.values())


def test_with_these_files_alone_the_program_runs(tmp_path: Path) -> None:
    files = program_files([program_path("cat")], LOADER)
    for name, path in files.items():
        placed = tmp_path / name.lstrip("/")
        placed.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, placed)
    loader, libraries = tmp_path / str(LOADER).lstrip("/"), tmp_path / LIBRARIES.lstrip("/")
    said = subprocess.run(
        [loader, "--inhibit-cache", "--library-path", libraries, tmp_path / "bin/cat", "/dev/null"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr


def test_what_is_not_installed_is_an_error_with_its_package() -> None:
    with pytest.raises(HostError, match=r"sockperfx is not installed \(apt-get install sockperfx\)"):
        program_path("sockperfx")


def test_what_the_loader_does_not_load_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(HostError, match=f"finding the libraries of {script}"):
        program_files([script], LOADER)


def test_a_program_with_libraries_is_not_static() -> None:
    assert not is_static(program_path("cat"), LOADER)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the image was made of, instead of an image of this machine's own modules."""
    seen: dict[str, object] = {}

    def build(root: Path, kernel: str, modules: object, init: str, files: Mapping[str, object]) -> bytes:
        seen.update(files, root=root, kernel=kernel, modules=modules, init=init)
        return b"image"

    monkeypatch.setattr(image, "build_initramfs", build)
    monkeypatch.setattr(image, "is_static", lambda *_: True)
    monkeypatch.setattr(image, "_BUSYBOX", Path("/bin/cat"))
    monkeypatch.setattr(image, "program_path", lambda name: Path("/bin/cat"))  # noqa: ARG005
    return seen


NIC = Subject("ff0d0000.ethernet", Kind.NETWORK, ("eth1",), (90,), ("macb",))


def test_the_guest_runs_the_command_that_the_host_runs(built: dict[str, object]) -> None:
    (workload,) = named(["tcp_rr"])
    target = Target(seconds=5, peer="192.168.77.2")
    link = Link(IPv4Interface("192.168.77.1/24"), IPv4Address("192.168.77.2"))
    guest_image(NIC, [workload], target, link, loader=LOADER)
    assert built["/loads/tcp_rr"] == (
        b"exec sockperf ping-pong --tcp --ip 192.168.77.2 --port 11111 --msg-size 14 --time 5 --full-rtt\n"
    )
    assert built["/settings"] == b"KIND=network\nADDRESS=192.168.77.1/24\nPEER=192.168.77.2\n"
    assert built["modules"] == ("macb",)
    assert built["root"] == Path("/")


def test_given_modules_are_loaded_in_their_order(built: dict[str, object], tmp_path: Path) -> None:
    (workload,) = named(["dma"])
    modules = [tmp_path / "zynqmp_dma.ko", tmp_path / "dmatest.ko"]
    guest_image(
        Subject("ffa80000.dma", Kind.DMA, (), (124,), ()), [workload], Target(seconds=1), None, modules
    )
    assert built["/more.list"] == b"/more/0-zynqmp_dma.ko\n/more/1-dmatest.ko\n"
    assert built["/more/1-dmatest.ko"] == modules[1]
    assert not any(str(name).startswith(LIBRARIES) for name in built)  # no tool, no libraries


def test_a_busybox_with_libraries_is_refused_with_the_package(
    built: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "is_static", lambda *_: False)
    (workload,) = named(["disk"])
    with pytest.raises(HostError, match="apt-get install busybox-static"):
        guest_image(NIC, [workload], Target(seconds=1), None, loader=LOADER)
    assert "init" not in built
