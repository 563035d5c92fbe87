# SPDX-License-Identifier: Apache-2.0
"""Building and installing the driver, against made-up kernel headers: the real make, no kernel."""

import stat
from pathlib import Path

import pytest

from midway.errors import HostError
from midway.host import driver
from midway.host.sysfs import HostFiles

SOURCE = Path(__file__).resolve().parents[2] / "drivers/vfio-forward"
BUILDS = "modules:\n\techo $(ARCH) $(CROSS_COMPILE) $(C) > $(M)/vfio-forward.ko\n"


@pytest.fixture
def headers(tmp_path: Path) -> Path:
    directory = tmp_path / "headers"
    directory.mkdir()
    (directory / "Makefile").write_text(BUILDS)
    return directory


def test_a_built_module_is_put_into_the_output_directory(tmp_path: Path, headers: Path) -> None:
    module = driver.build(SOURCE, headers, tmp_path / "new" / "output")
    assert module == tmp_path / "new" / "output" / "vfio-forward.ko"
    assert module.is_file()
    assert [entry.name for entry in module.parent.iterdir()] == ["vfio-forward.ko"]


def test_a_cross_build_names_the_architecture_and_the_compiler(tmp_path: Path, headers: Path) -> None:
    module = driver.build(SOURCE, headers, tmp_path, cross_compile="aarch64-linux-gnu-", check=True)
    assert module.read_text().split() == ["arm64", "aarch64-linux-gnu-", "2"]


def test_the_source_is_only_read(tmp_path: Path, headers: Path) -> None:
    (headers / "Makefile").write_text("modules:\n\ttouch $(M)/core.o $(M)/vfio-forward.ko; rm $(M)/core.c\n")
    source = tmp_path / "source"
    source.mkdir()
    (source / "core.c").touch()
    driver.build(source, headers, tmp_path)
    assert [entry.name for entry in source.iterdir()] == ["core.c"]


def test_what_an_earlier_build_left_is_not_taken_along(tmp_path: Path, headers: Path) -> None:
    (headers / "Makefile").write_text("modules:\n\tls $(M) > $(M)/vfio-forward.ko\n")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("core.c", "core.o", "Kbuild", "internal.h", "vfio-forward.mod"):
        (source / name).touch()
    seen = driver.build(source, headers, tmp_path).read_text().split()
    assert sorted(set(seen) - {"vfio-forward.ko"}) == ["Kbuild", "core.c", "internal.h"]


def test_missing_headers_are_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"holds no kernel headers \(install the package linux-headers"):
        driver.build(SOURCE, tmp_path, tmp_path)


def test_a_failed_build_says_what_the_compiler_said(tmp_path: Path, headers: Path) -> None:
    (headers / "Makefile").write_text("modules:\n\t@echo 'core.c:1: error: no such thing' >&2; false\n")
    with pytest.raises(
        HostError, match=r"cannot build vfio-forward: make exits with 2: core\.c:1: error: no"
    ):
        driver.build(SOURCE, headers, tmp_path)


def test_a_warning_ends_a_build_only_when_it_is_checked(tmp_path: Path, headers: Path) -> None:
    (headers / "Makefile").write_text(BUILDS + "\t@echo 'WARNING: modpost: vfio-forward' >&2\n")
    driver.build(SOURCE, headers, tmp_path)
    with pytest.raises(HostError, match="WARNING: modpost: vfio-forward"):
        driver.build(SOURCE, headers, tmp_path, check=True)


def test_without_make_the_error_names_it(
    tmp_path: Path, headers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "TOOL_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match=r"make is not installed \(install make\)"):
        driver.build(SOURCE, headers, tmp_path)


def test_an_unwritable_output_is_an_error(tmp_path: Path, headers: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="cannot build vfio-forward"):
        driver.build(SOURCE, headers, tmp_path / "file" / "output")


@pytest.fixture
def host(tmp_path: Path) -> HostFiles:
    files = HostFiles(tmp_path / "host")
    release = files.proc / "sys/kernel/osrelease"
    release.parent.mkdir(parents=True)
    release.write_text("6.1.0-test\n")
    return files


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with only the programs that a test puts there; each notes its arguments in the file `calls`."""
    directory = tmp_path / "tools"
    directory.mkdir()
    monkeypatch.setattr(driver, "TOOL_PATH", str(directory))
    monkeypatch.setenv("PATH", str(directory))
    return directory


def add_tool(directory: Path, name: str, status: int = 0) -> None:
    tool = directory / name
    tool.write_text(f'#!/bin/sh\necho "{name} $*" >> "{directory}/calls"\nexit {status}\n')
    tool.chmod(0o755)


def calls(directory: Path) -> list[str]:
    return (directory / "calls").read_text().splitlines()


def test_without_dkms_a_module_is_installed_for_the_running_kernel(
    tmp_path: Path, host: HostFiles, tools: Path
) -> None:
    add_tool(tools, "depmod")
    module = tmp_path / "built.ko"
    module.write_bytes(b"module")
    said = driver.install(host, SOURCE, module=module)
    installed = host.root / "lib/modules/6.1.0-test/updates/vfio-forward.ko"
    assert installed.read_bytes() == b"module"
    assert stat.S_IMODE(installed.stat().st_mode) == 0o644
    assert calls(tools) == [f"depmod -b {host.root} 6.1.0-test"]
    assert "for kernel 6.1.0-test only" in said


def test_dkms_is_given_the_source_alone(host: HostFiles, tools: Path) -> None:
    add_tool(tools, "dkms")
    driver.install(host, SOURCE)
    [given] = (host.root / "usr/src").iterdir()
    names = {entry.name for entry in given.iterdir()}
    assert {"dkms.conf", "Kbuild", "core.c", "vfio_forward.h"} <= names
    assert all(name.endswith((".c", ".h")) or name in ("Kbuild", "Makefile", "dkms.conf") for name in names)
    assert calls(tools) == [f"dkms install {given.name.replace('forward-', 'forward/')} -k 6.1.0-test"]


def test_an_earlier_dkms_installation_is_replaced(host: HostFiles, tools: Path) -> None:
    add_tool(tools, "dkms")
    driver.install(host, SOURCE)
    version = calls(tools)[0].split()[2]
    (host.root / "var/lib/dkms" / version).mkdir(parents=True)
    driver.install(host, SOURCE)
    assert calls(tools)[1:] == [f"dkms remove {version} --all", f"dkms install {version} -k 6.1.0-test"]


def test_a_failure_of_dkms_is_an_error(host: HostFiles, tools: Path) -> None:
    add_tool(tools, "dkms", status=10)
    with pytest.raises(HostError, match="cannot install vfio-forward with DKMS: dkms exits with 10"):
        driver.install(host, SOURCE)


def test_the_versions_of_the_module_and_of_dkms_agree() -> None:
    configuration = (SOURCE / "dkms.conf").read_text()
    version = next(line for line in configuration.splitlines() if line.startswith("PACKAGE_VERSION="))
    assert f"MODULE_VERSION({version.partition('=')[2]})" in (SOURCE / "core.c").read_text()
