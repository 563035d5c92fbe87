# SPDX-License-Identifier: Apache-2.0
import argparse
from pathlib import Path

import pytest

from midway.cli.vm_options import add_vm_options, config_from
from midway.config import IrqAffinity, MachineConfig, load
from midway.errors import ConfigurationError, UsageError


def from_file(tmp_path: Path, text: str) -> MachineConfig:
    path = tmp_path / "vm.toml"
    path.write_text(f'kernel = "Image"\n{text}')
    return load(path)


def from_options(*options: str) -> MachineConfig:
    parser = argparse.ArgumentParser()
    add_vm_options(parser)
    return config_from(parser.parse_args(["--kernel", "Image", *options]))


def test_a_file_pins_vcpus_and_lets_interrupts_follow(tmp_path: Path) -> None:
    config = from_file(tmp_path, 'cpus = 2\n[cpu]\npin = [0, 3]\nirq_affinity = "follow"\n')
    assert config.cpu.pin == (0, 3)
    assert config.cpu.irq_affinity is IrqAffinity.FOLLOW


def test_options_say_the_same() -> None:
    config = from_options("--cpus", "2", "--pin", "0,3", "--irq-affinity", "follow")
    assert (config.cpu.pin, config.cpu.irq_affinity) == ((0, 3), IrqAffinity.FOLLOW)
    assert from_options().cpu.pin == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cpus = 2\n[cpu]\npin = [0]\n", "1 CPUs of the host for 2"),
        ("[cpu]\npin = [-1]\n", "pin"),
        ('[cpu]\nirq_affinity = "follow"\n', "set `pin`"),
        ('[cpu]\nirq_affinity = "elsewhere"\n', "elsewhere"),
    ],
)
def test_what_cannot_be_is_an_error_that_says_why(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        from_file(tmp_path, text)


def test_the_number_of_pins_is_checked_for_options_too() -> None:
    with pytest.raises(UsageError, match="for 1 of the guest"):
        from_options("--pin", "0,1")
