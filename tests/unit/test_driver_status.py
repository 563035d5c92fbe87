# SPDX-License-Identifier: Apache-2.0
"""The driver looked up in made-up hosts."""

from pathlib import Path

import pytest

from midway.host.driver_status import KernelPart, driver_status
from midway.host.sysfs import HostFiles

INDEX = """\
kernel/drivers/vfio/vfio.ko:
kernel/drivers/vfio/vfio_iommu_type1.ko.xz: kernel/drivers/vfio/vfio.ko
updates/vfio-forward.ko: kernel/drivers/vfio/vfio.ko
"""


@pytest.fixture
def host(tmp_path: Path) -> HostFiles:
    files = HostFiles(tmp_path)
    write(files.proc / "sys/kernel/osrelease", "6.1.0-test\n")
    return files


def write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def load(files: HostFiles, direct_dma: str = "N") -> None:
    module = files.sys / "module/vfio_forward"
    write(module / "initstate", "live\n")
    write(module / "parameters/direct_dma", f"{direct_dma}\n")
    write(module / "version", "0.1.0\n")
    write(module / "srcversion", "0123456789ABCDEF\n")
    write(module / "refcnt", "1\n")


def test_a_host_that_has_nothing_is_described_without_an_error(host: HostFiles) -> None:
    status = driver_status(host)
    assert (status.driver, status.vfio, status.type1) == (KernelPart.ABSENT,) * 3
    assert (status.installed, status.version, status.direct_dma) == (None, None, None)
    assert status.devices == ()


def test_an_installed_module_is_found_in_the_index_of_modules(host: HostFiles) -> None:
    write(host.root / "lib/modules/6.1.0-test/modules.dep", INDEX)
    status = driver_status(host)
    assert (status.driver, status.vfio, status.type1) == (KernelPart.MODULE,) * 3
    assert status.installed == host.root / "lib/modules/6.1.0-test/updates/vfio-forward.ko"


def test_a_built_in_vfio_is_told_from_a_module(host: HostFiles) -> None:
    write(host.root / "lib/modules/6.1.0-test/modules.builtin", "kernel/drivers/vfio/vfio.ko\n")
    write(host.sys / "module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n")
    assert driver_status(host).vfio is KernelPart.BUILT_IN


@pytest.mark.parametrize(("flag", "expected"), [("Y", True), ("N", False)])
def test_a_loaded_module_tells_its_parameter_version_and_users(
    host: HostFiles, flag: str, expected: bool
) -> None:
    load(host, flag)
    status = driver_status(host)
    assert status.driver is KernelPart.LOADED
    assert status.direct_dma is expected
    assert (status.version, status.source_version, status.users) == ("0.1.0", "0123456789ABCDEF", 1)


def test_bound_devices_are_listed_and_the_drivers_own_files_are_not(host: HostFiles) -> None:
    load(host)
    for bus, names in {"platform": ("ff0d0000.ethernet", "ffa80000.dma"), "amba": ("9000000.pl011",)}.items():
        bound = host.sys / "bus" / bus / "drivers/vfio-forward"
        for name in names:
            write(bound / name / "driver_override", "vfio-forward\n")
        write(bound / "bind")
        (bound / "module").mkdir()
    assert driver_status(host).devices == ("ff0d0000.ethernet", "ffa80000.dma", "9000000.pl011")


def test_the_status_as_json_has_plain_values_only(host: HostFiles) -> None:
    load(host, "Y")
    assert driver_status(host).as_json() == {
        "kernel": "6.1.0-test",
        "driver": "loaded",
        "installed": None,
        "direct_dma": True,
        "version": "0.1.0",
        "source_version": "0123456789ABCDEF",
        "users": 1,
        "devices": [],
        "vfio": "absent",
        "type1": "absent",
    }
