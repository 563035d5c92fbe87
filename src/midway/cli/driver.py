# SPDX-License-Identifier: Apache-2.0
"""``midway driver``: build, install or inspect the driver vfio-forward."""

import argparse
import json
from pathlib import Path

from midway.host import driver
from midway.host.driver_status import driver_status
from midway.host.sysfs import HostFiles

__all__ = ["add_parser", "run"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    summary = "build, install or inspect the vfio-forward driver"
    parser = subparsers.add_parser("driver", help=summary, description=summary)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    build = actions.add_parser("build", help="build the module", description="Build the module.")
    _add_source(build)
    build.add_argument(
        "--kernel-build",
        metavar="DIRECTORY",
        type=Path,
        help="headers to build against; default: the running kernel's",
    )
    build.add_argument(
        "--output", metavar="DIRECTORY", type=Path, default=Path(), help="default: the current directory"
    )
    build.add_argument("--cross-compile", metavar="PREFIX", help="of an arm64 compiler, on another machine")
    build.add_argument("--check", action="store_true", help="run sparse as well, and fail on any warning")
    build.set_defaults(act=_build)

    install = actions.add_parser(
        "install",
        help="install the module for this kernel",
        description="Install the driver: with DKMS where it is there, otherwise for this kernel only.",
    )
    _add_source(install)
    install.add_argument("--module", metavar="FILE", type=Path, help="install this module, built elsewhere")
    install.set_defaults(act=_install)

    status = actions.add_parser("status", help="show the driver in the running kernel")
    status.add_argument("--json", action="store_true", help="as JSON")
    status.set_defaults(act=_status)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="DIRECTORY", type=Path, help="default: this checkout's driver")


def run(arguments: argparse.Namespace) -> int:
    result: int = arguments.act(arguments)
    return result


def _build(arguments: argparse.Namespace) -> int:
    module = driver.build(
        arguments.source or driver.default_source(),
        arguments.kernel_build or driver.default_kernel_build_directory(HostFiles()),
        arguments.output,
        cross_compile=arguments.cross_compile,
        check=arguments.check,
    )
    print(module)
    return 0


def _install(arguments: argparse.Namespace) -> int:
    source = arguments.source or (Path() if arguments.module else driver.default_source())
    print(driver.install(HostFiles(), source, module=arguments.module))
    print("load it with `modprobe vfio-forward`, for devices without an IOMMU with direct_dma=1")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    status = driver_status(HostFiles())
    if arguments.json:
        print(json.dumps(status.as_json(), indent=2))
        return 0
    version = f", version {status.version} ({status.source_version})" if status.version else ""
    direct = {True: "accepted", False: "refused", None: "-"}[status.direct_dma]
    rows = {
        "kernel": status.kernel,
        "vfio-forward": f"{status.driver}{version}",
        "module file": status.installed or "not installed",
        "without an IOMMU": direct,
        "devices": ", ".join(status.devices) or "none",
        "vfio": status.vfio,
        "vfio type1": status.type1,
    }
    for name, value in rows.items():
        print(f"{name:18}{value}")
    return 0
