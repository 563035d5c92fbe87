# SPDX-License-Identifier: Apache-2.0
"""The driver's module: built against the boards' kernel with every check there is, and installed."""

from pathlib import Path

import pytest

from midway.host import driver
from midway.lab.cache import Cache
from midway.lab.headers import CROSS_COMPILE, headers_recipe, kernel_build_directory
from midway.lab.root import Root, root_recipe
from midway.lab.running import RunningBoard

SHIPPED = "/opt/midway/drivers/vfio-forward.ko"


@pytest.mark.usefixtures("emulation")
def test_compiler_sparse_and_linker_have_nothing_to_say(tmp_path: Path) -> None:
    cache = Cache()
    with cache.use(root_recipe()) as tree:
        root = Root(tree)
        with cache.use(headers_recipe(root)) as headers:
            module = driver.build(
                driver.default_source(),
                kernel_build_directory(headers, root.kernel_release),
                tmp_path,
                cross_compile=CROSS_COMPILE,
                check=True,
            )
    assert module.stat().st_size > 0


def test_an_installed_module_is_loaded_by_its_name(versal: RunningBoard) -> None:
    said = versal.run(["midway", "driver", "install", "--module", SHIPPED], check=True).text
    assert "/updates/vfio-forward.ko is installed for kernel" in said
    versal.run(["rmmod", "vfio_forward"], check=True)
    versal.run(["modprobe", "vfio-forward", "direct_dma=1"], check=True)
    status = versal.run(["midway", "driver", "status"], check=True).text
    assert "vfio-forward      loaded, version 0.1.0" in status
    assert "without an IOMMU  accepted" in status
    assert "updates/vfio-forward.ko" in status
