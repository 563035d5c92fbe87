# SPDX-License-Identifier: Apache-2.0
"""The command line's description of a VM."""

import argparse
from pathlib import Path

import pytest

from midway.cli.vm_options import add_vm_options, config_from
from midway.config import AddressPolicy, CpuConfig, DeviceConfig, InterruptMode, IrqAffinity, MachineConfig
from midway.errors import ConfigurationError, UsageError


def parse(*words: str) -> MachineConfig:
    parser = argparse.ArgumentParser()
    add_vm_options(parser)
    return config_from(parser.parse_args(words))


def test_flags_alone_describe_a_vm() -> None:
    config = parse(
        "--kernel",
        "Image",
        "--memory",
        "1G",
        "--cpus",
        "2",
        "--device",
        "ff0d0000.ethernet,irq=userspace,address=host",
    )
    assert config == MachineConfig(
        kernel="Image",
        memory=1024,
        cpus=2,
        devices=(
            DeviceConfig(name="ff0d0000.ethernet", irq=InterruptMode.USERSPACE, address=AddressPolicy.HOST),
        ),
    )


def test_single_lines_of_a_device_have_modes_of_their_own_on_the_command_line_and_in_the_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "vm.toml"
    file.write_text(
        'kernel = "Image"\n[[devices]]\nname = "a.uart"\nirq = { 0 = "forward", alarm = "irqfd" }\n'
    )
    words = (str(file), "--device", "b.uart,irq.0=forward,irq.alarm=irqfd")
    modes = {"0": InterruptMode.FORWARD, "alarm": InterruptMode.IRQFD}
    assert [device.irq for device in parse(*words).devices] == [modes, modes]


def test_flags_override_the_file_and_devices_are_added(tmp_path: Path) -> None:
    file = tmp_path / "vm.toml"
    file.write_text('kernel = "Image"\nmemory = 256\n[[devices]]\nname = "a.uart"\n')
    config = parse(str(file), "--memory", "300", "--device", "b.uart", "--strict")
    assert config.kernel == str(tmp_path / "Image")
    assert config.memory == 300
    assert [device.name for device in config.devices] == ["a.uart", "b.uart"]
    assert config.strict
    assert not config.force


def in_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "vm.toml"
    file.write_text(text)
    return str(file)


def test_options_complete_a_file_that_alone_describes_no_vm(tmp_path: Path) -> None:
    file = in_file(tmp_path, 'initrd = "initrd.img"\ncpus = 9\n[cpu]\nirq_affinity = "follow"\n')
    config = parse(file, "--kernel", "Image", "--cpus", "2", "--pin", "0,1")
    assert (config.kernel, config.initrd) == ("Image", str(tmp_path / "initrd.img"))
    assert config.cpu == CpuConfig(pin=(0, 1), irq_affinity=IrqAffinity.FOLLOW)


def test_a_command_that_boots_nothing_takes_a_file_without_a_kernel(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_vm_options(parser)
    arguments = parser.parse_args([in_file(tmp_path, "memory = 128")])
    assert config_from(arguments, kernel="") == MachineConfig(kernel="", memory=128)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("memory = 128", "missing required field `kernel`"),
        ('kernel = "Image"\nmemory = "much"', r"\$\.memory"),
        ('kernel = "Image"\ncpu = 3', r"\$\.cpu"),
        ('kernel = "Image"\ndevices = "abc"', r"\$\.devices"),
        ('kernel = "Image"\n[[devices]]\nirq = "irqfd"', r"field `name` - at `\$\.devices\[0\]`"),
    ],
)
def test_what_is_wrong_in_the_file_names_the_file_whatever_the_options(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=rf"reading .*vm\.toml: .*{complaint}"):
        parse(in_file(tmp_path, text), "--device", "a.uart", "--pin", "0")


def test_what_is_wrong_with_the_options_does_not_name_the_file(tmp_path: Path) -> None:
    file = in_file(tmp_path, 'kernel = "Image"\ncpus = 2\n[cpu]\npin = [0, 1]\n')
    with pytest.raises(UsageError, match=r"VM's options: .*2 CPUs of the host for 3"):
        parse(file, "--cpus", "3")


def test_a_vm_without_a_kernel_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no kernel"):
        parse("--memory", "256")


def test_a_device_named_twice_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"a\.uart: named more than once"):
        parse("--kernel", "Image", "--device", "a.uart", "--device", "a.uart,irq=irqfd")


@pytest.mark.parametrize(
    "words",
    [
        ("--device", "a,irq=psychic"),
        ("--device", "a,colour=red"),
        ("--device", "a,irq"),
        ("--device", "a,irq.=forward"),
        ("--device", "a,irq.0=psychic"),
        ("--device", "a,irq.0=irqfd,irq.0=forward"),
        ("--device", "a,irq=irqfd,irq.0=forward"),
        ("--device", "a,irq.0=forward,irq=irqfd"),
        ("--device", "a,address.0=host"),
        ("--device", "a/b"),
        ("--memory", "lots"),
        ("--memory", "1T"),
        ("--gic", "4"),
    ],
)
def test_malformed_options_are_refused_by_the_parser(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        parse("--kernel", "Image", *words)
    assert raised.value.code == 2
    assert words[1] in capsys.readouterr().err


def test_a_value_out_of_range_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="cpus"):
        parse("--kernel", "Image", "--cpus", "9")


def test_a_broken_file_is_a_configuration_error(tmp_path: Path) -> None:
    file = tmp_path / "vm.toml"
    file.write_text('kernel = "Image"\nspeed = 11\n')
    with pytest.raises(ConfigurationError, match="speed"):
        parse(str(file))


@pytest.mark.parametrize(
    "text",
    [
        'kernel = "a\\u0000b"',
        'kernel = "Image"\ninitrd = "a\\u0000b"',
        'kernel = "Image"\nappend = "a\\u0000b"',
        "kernel = " + "[" * 3000,
        "memory = " + "9" * 5000,
    ],
    ids=["kernel", "initrd", "append", "nesting", "number"],
)
def test_a_hostile_file_is_a_bad_configuration(tmp_path: Path, text: str) -> None:
    file = tmp_path / "vm.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"reading .*vm\.toml"):
        parse(str(file))


@pytest.mark.parametrize("append", ["a" * 2048, "caf\udce9"], ids=["too long", "not UTF-8"])
def test_a_command_line_that_the_guest_would_not_get_whole_is_refused(append: str) -> None:
    assert parse("--kernel", "Image", "--append", "a" * 2047).append == "a" * 2047
    with pytest.raises(UsageError, match=r"\$\.append"):
        parse("--kernel", "Image", "--append", append)
