# SPDX-License-Identifier: Apache-2.0
"""The options that describe a VM, shared by every command that takes one."""

import argparse
import re
from pathlib import Path
from typing import Any

import msgspec

from midway.config import Backing, DeviceConfig, InterruptMode, IrqAffinity, MachineConfig, load
from midway.errors import UsageError

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
    fields: dict[str, Any] = {}
    if arguments.config is not None:
        fields = msgspec.to_builtins(load(arguments.config))
    for name in ("kernel", "initrd", "append", "memory", "cpus", "gic", "backing", "strict", "force"):
        value = getattr(arguments, name)
        if value is not None:
            fields[name] = value
    placing = {"pin": arguments.pin, "irq_affinity": arguments.irq_affinity}
    placed = {name: value for name, value in placing.items() if value is not None}
    if placed:
        fields["cpu"] = {**fields.get("cpu", {}), **placed}
    fields["devices"] = [*fields.get("devices", ()), *(arguments.devices or ())]
    if kernel is not None:
        fields.setdefault("kernel", kernel)
    if "kernel" not in fields:
        raise UsageError("no kernel was given", remedy="give --kernel IMAGE or a CONFIG.toml")
    names = [device["name"] for device in fields["devices"]]
    for name in names:
        if names.count(name) > 1:
            raise UsageError("named more than once", device=name, remedy="pass a device only once")
    try:
        return msgspec.convert(fields, MachineConfig)
    except msgspec.ValidationError as error:
        raise UsageError("reading the VM's options", answer=str(error)) from error


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
