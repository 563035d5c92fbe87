# SPDX-License-Identifier: Apache-2.0
"""The options that describe a VM, shared by every command that takes one."""

import argparse
import re
from pathlib import Path
from typing import Any

import msgspec

from midway.config import (
    Backing,
    DeviceConfig,
    InterruptMode,
    IrqAffinity,
    MachineConfig,
    load_fields,
    malformed,
)
from midway.errors import UsageError

_FIELDS = ("kernel", "initrd", "append", "memory", "cpus", "gic", "backing", "strict", "force")
_PLACING = ("pin", "irq_affinity")
DEVICE_SYNTAX = "NAME[,irq=MODE | ,irq.LINE=MODE…][,address=host|auto]"


def add_vm_options(parser: argparse.ArgumentParser) -> None:
    """Add a VM's options; `config_from` turns the parsed arguments into a MachineConfig.

    Every default is None, so that what was not said on the command line comes from the TOML file or from
    MachineConfig's own defaults.
    """
    parser.add_argument("config", nargs="?", type=Path, metavar="CONFIG.toml", help="the VM as a TOML file")
    group = parser.add_argument_group("the VM (each option overrides CONFIG.toml; --device adds to it)")
    group.add_argument("--kernel", metavar="IMAGE", help="arm64 Image, also gzip-ed")
    group.add_argument("--initrd", metavar="FILE", help="initial RAM disk")
    group.add_argument("--append", metavar="TEXT", help="the kernel's command line")
    group.add_argument(
        "--memory", type=_mebibytes, metavar="SIZE", help="RAM in MiB, or with a suffix: 1G, 768M"
    )
    group.add_argument("--cpus", type=int, metavar="N", help="virtual CPUs, 1 to 8")
    group.add_argument(
        "--pin", type=_cpus, metavar="CPU,…", help="the host's CPU for each vCPU, which it does not leave"
    )
    group.add_argument(
        "--irq-affinity",
        choices=[str(kind) for kind in IrqAffinity],
        help="where the host takes the devices' interrupts; follow: where the guest has them (needs --pin)",
    )
    group.add_argument("--gic", type=int, choices=(2, 3), help="version of the interrupt controller")
    group.add_argument("--backing", choices=[str(kind) for kind in Backing], help="what the RAM is made of")
    group.add_argument(
        "--device",
        dest="devices",
        action="append",
        type=_device,
        metavar=DEVICE_SYNTAX,
        help=f"pass a platform device; MODE is one of {', '.join(InterruptMode)}, LINE the index or name "
        "of one of its interrupts; may be repeated",
    )
    group.add_argument("--strict", action="store_true", default=None, help="make every warning an error")
    group.add_argument(
        "--force", action="store_true", default=None, help="take a device that the host is using"
    )


def config_from(arguments: argparse.Namespace, *, kernel: str | None = None) -> MachineConfig:
    """The VM that the arguments describe.

    `kernel` stands in where nothing names one, for commands that do not boot it.
    Raises UsageError for the command line's own faults and ConfigurationError for the file's.
    """
    stated = {} if kernel is None else {"kernel": kernel}
    if arguments.config is not None:
        stated.update(load_fields(arguments.config))
    fields = _overridden(stated, arguments)
    if "kernel" not in fields and arguments.config is None:
        raise UsageError("no kernel was given", remedy="give --kernel IMAGE or a CONFIG.toml")
    try:
        config = msgspec.convert(fields, MachineConfig)
    except msgspec.ValidationError as error:
        if arguments.config is not None and str(error) == _complaint(stated):
            raise malformed(arguments.config, error) from error
        raise UsageError("reading the VM's options", answer=str(error)) from error
    names = [device.name for device in config.devices]
    for name in names:
        if names.count(name) > 1:
            raise UsageError("named more than once", device=name, remedy="pass a device only once")
    return config


def given_options(arguments: argparse.Namespace) -> list[str]:
    """What of `add_vm_options` the command line has, as it is written there."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in (*_FIELDS, *_PLACING)
        if getattr(arguments, name) is not None
    ]
    device = ["--device"] if arguments.devices else []
    return [*([] if arguments.config is None else [str(arguments.config)]), *device, *given]


def _overridden(stated: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """What the file states, with the options in its place; what should be a table or list there and is none
    stays.
    """
    fields = dict(stated)
    for name in _FIELDS:
        value = getattr(arguments, name)
        if value is not None:
            fields[name] = value
    placed = {name: value for name in _PLACING if (value := getattr(arguments, name)) is not None}
    cpu, devices = fields.get("cpu", {}), fields.get("devices", [])
    if placed and isinstance(cpu, dict):
        fields["cpu"] = {**cpu, **placed}
    if arguments.devices and isinstance(devices, list):
        fields["devices"] = [*devices, *arguments.devices]
    return fields


def _complaint(stated: dict[str, Any]) -> str | None:
    """What is wrong with the file where nothing overrides it."""
    try:
        msgspec.convert(stated, MachineConfig)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,9})([MG]?)", text, re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size in MiB, nor one with M or G")
    return int(match[1]) * (1024 if match[2] in ("G", "g") else 1)


def _cpus(text: str) -> list[int]:
    if re.fullmatch(r"[0-9]{1,4}(,[0-9]{1,4})*", text, re.ASCII) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of CPUs such as 0,1")
    return [int(number) for number in text.split(",")]


def _device(text: str) -> dict[str, Any]:
    """A DeviceConfig's fields from what DEVICE_SYNTAX says."""
    name, *options = text.split(",")
    fields: dict[str, Any] = {"name": name}
    for option in options:
        key, separator, value = option.partition("=")
        if not separator or not _takes(fields, key, value):
            raise argparse.ArgumentTypeError(f"{option!r} in {text!r}: expected {DEVICE_SYNTAX}")
    try:
        msgspec.convert(fields, DeviceConfig)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from error
    return fields


def _takes(fields: dict[str, Any], key: str, value: str) -> bool:
    """Whether it is a device's option and the first that says this; `fields` has it then."""
    option, _, line = key.partition(".")
    if option == "irq" and line:
        fields = fields.setdefault(option, {})
        key = line
    elif key not in ("irq", "address"):
        return False
    if not isinstance(fields, dict) or key in fields:
        return False
    fields[key] = value
    return True
