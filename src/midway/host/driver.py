# SPDX-License-Identifier: Apache-2.0
"""The driver vfio-forward, built from its source and installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from midway.errors import HostError
from midway.host.driver_status import kernel_release
from midway.host.sysfs import HostFiles
from midway.scratch import scratch_directory

__all__ = [
    "MODULE",
    "SOURCE",
    "TOOL_PATH",
    "build",
    "default_kernel_build_directory",
    "default_source",
    "install",
]

MODULE = "vfio-forward.ko"
_NAME = "vfio-forward"
TOOL_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # a user's PATH need not have depmod
SOURCE = Path(__file__).resolve().parents[3] / "drivers" / _NAME
"""The driver's source in the checkout this package runs from; not there when it was installed without."""

_SOURCES = ("*.c", "*.h", "Kbuild", "Makefile")
_LAST_LINES = 3
# Everything that gcc at W=1, sparse and modpost can object to ends the build.
_CHECKS = ("W=1", "C=2", "KCFLAGS=-Werror", "CF=-Wsparse-error -D__CHECK_ENDIAN__")


def default_source() -> Path:
    """SOURCE.  Raises HostError where it is not."""
    if not SOURCE.is_dir():
        raise HostError(
            f"cannot find the source of {_NAME}", answer=f"{SOURCE} is not there", remedy="give --source"
        )
    return SOURCE


def default_kernel_build_directory(files: HostFiles) -> Path:
    """Where the headers of the running kernel are, when they are installed."""
    return files.root / "lib/modules" / kernel_release(files) / "build"


def build(
    source: Path,
    kernel_build_directory: Path,
    output: Path,
    *,
    cross_compile: str | None = None,
    check: bool = False,
) -> Path:
    """Build the module into the directory `output`; its path.  The source is only read.

    `kernel_build_directory` is what ``make -C`` is given (Documentation/kbuild/modules.rst);
    `cross_compile` is the prefix of an arm64 compiler's programs, None to build natively.  With `check` the
    build also runs sparse, and fails on any warning.  Raises HostError with the tool's last words.
    """
    attempted = f"cannot build {_NAME}"
    if not (kernel_build_directory / "Makefile").exists():
        raise HostError(
            attempted,
            answer=f"{kernel_build_directory} holds no kernel headers",
            remedy="install the package linux-headers of this kernel or give --kernel-build",
        )
    with scratch_directory() as scratch:
        directory = scratch / _NAME
        directory.mkdir()
        for pattern in _SOURCES:
            for file in source.glob(pattern):
                shutil.copyfile(file, directory / file.name)
        command = ["make", "-C", str(kernel_build_directory), f"M={directory}"]
        if cross_compile is not None:
            command += ["ARCH=arm64", f"CROSS_COMPILE={cross_compile}"]
        if check:
            command += _CHECKS
        said = _run([*command, "modules"], attempted)
        warnings = [line for line in said.splitlines() if "warning:" in line.lower()]
        if check and warnings:
            raise HostError(attempted, answer="; ".join(warnings[:_LAST_LINES]))
        return _place(directory / MODULE, output, attempted)


def install(files: HostFiles, source: Path, *, module: Path | None = None) -> str:
    """Install the driver for the running kernel; one line on what was done.

    With `module`, that file goes below /lib/modules.  Otherwise DKMS gets the source, and rebuilds the module
    with every kernel that is installed later; without DKMS the module is built for this kernel only.
    Raises HostError.
    """
    release = kernel_release(files)
    if module is None and shutil.which("dkms", path=TOOL_PATH):
        return _install_with_dkms(files, source, release)

    attempted = f"cannot install {_NAME}"
    updates = files.root / "lib/modules" / release / "updates"
    if module is not None:
        path = _place(module, updates, attempted)
    else:
        path = build(source, default_kernel_build_directory(files), updates)
    _run(["depmod", "-b", str(files.root), release], attempted)
    return f"{path} is installed for kernel {release} only (with DKMS it would follow kernel updates)"


def _install_with_dkms(files: HostFiles, source: Path, release: str) -> str:
    attempted = f"cannot install {_NAME} with DKMS"
    version = _dkms_version(source)
    target = files.root / "usr/src" / f"{_NAME}-{version}"
    # DKMS keeps to the source it was first given; what it had of this version is replaced.
    if (files.root / "var/lib/dkms" / _NAME / version).exists():
        _run(["dkms", "remove", f"{_NAME}/{version}", "--all"], attempted)
    try:
        target.mkdir(parents=True, exist_ok=True)
        for pattern in (*_SOURCES, "dkms.conf"):
            for file in source.glob(pattern):
                shutil.copyfile(file, target / file.name)
    except OSError as error:
        raise HostError(attempted, answer=str(error), remedy=_as_root(error)) from error
    _run(["dkms", "install", f"{_NAME}/{version}", "-k", release], attempted)
    return f"{_NAME} {version} is installed by DKMS, for kernel {release} and those that come after it"


def _dkms_version(source: Path) -> str:
    try:
        lines = (source / "dkms.conf").read_text().splitlines()
    except OSError as error:
        raise HostError(f"cannot read the version of {_NAME}", answer=str(error)) from error
    for line in lines:
        name, _, value = line.partition("=")
        if name == "PACKAGE_VERSION":
            return value.strip('"')
    raise HostError(f"cannot read the version of {_NAME}", answer="dkms.conf names none")


def _place(module: Path, directory: Path, attempted: str) -> Path:
    """Copy a module into a directory so that at no time half of it is there; its new path."""
    path = directory / MODULE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=f".{MODULE}.", delete=False) as file:
            try:
                file.write(module.read_bytes())
                file.flush()
                os.fchmod(file.fileno(), 0o644)
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise HostError(attempted, answer=str(error), remedy=_as_root(error)) from error
    return path


def _as_root(error: OSError) -> str | None:
    return "run it as root" if isinstance(error, PermissionError) else None


def _run(command: Sequence[str], attempted: str) -> str:
    """Run a tool to its end; what it said on standard error."""
    try:
        done = subprocess.run(
            command,
            env=os.environ | {"LC_ALL": "C", "PATH": TOOL_PATH},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise HostError(
            attempted, answer=f"{command[0]} is not installed", remedy=f"install {command[0]}"
        ) from error
    if done.returncode:
        spoken = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        telling = [line for line in spoken if "error:" in line.lower()] or spoken
        answer = f"{command[0]} exits with {done.returncode}: {'; '.join(telling[:_LAST_LINES])}"
        raise HostError(attempted, answer=answer)
    return done.stderr
