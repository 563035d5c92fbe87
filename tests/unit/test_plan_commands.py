# SPDX-License-Identifier: Apache-2.0
"""``midway plan`` and ``midway explain`` on the tree of a board that is not here."""

import json
from pathlib import Path

import pytest

from midway.cli import main
from midway.devicetree.write import write
from unit.dts import BOARD, compiled, decompiled

MAC = "a0010000.ethernet"


@pytest.fixture
def dtb(tmp_path: Path) -> str:
    file = tmp_path / "board.dtb"
    file.write_bytes(write(compiled(BOARD)))
    return str(file)


def test_explain_shows_the_four_routes_and_every_finding(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", MAC, "--tree", dtb]) == 0
    page = capsys.readouterr().out
    assert page.startswith(f"{MAC}: passable with findings\n")
    for said in (
        "/soc/ethernet@10000",
        "0       core  0xa0010000    0x1000 bytes   mapped",
        "2     again  SPI 7  level-high   same as 0",
        "bus: 12000000 Hz, core: 125000000 Hz",
        "warning [no-iommu]",
        "remedy: its tree names the IOMMU /soc/iommu@30000",
    ):
        assert said in page


def test_explain_takes_a_nodes_path_and_says_no_with_its_status(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "/interrupt-controller@f9000000", "--tree", dtb]) == 1
    assert "refusal [serves-the-host]" in capsys.readouterr().out


def test_explain_speaks_json(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", MAC, "--tree", dtb, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["name"] == MAC
    assert {finding["code"] for finding in said["findings"]} >= {"no-iommu", "provider-dropped"}


@pytest.mark.parametrize("of_the_other", ['status = "disabled"; interrupt-parent = <&other>;', ""])
def test_the_guests_gic_is_of_the_version_of_the_hosts_root_gic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], of_the_other: str
) -> None:
    """Neither one that is off nor one that hangs at another counts, wherever in the tree they are."""
    other = f"""other: gic@1000 {{ compatible = "arm,gic-400"; interrupt-controller;
        #interrupt-cells = <3>; reg = <0 0x1000 0 0x1000>; {of_the_other} }};"""
    file = tmp_path / "board.dtb"
    file.write_bytes(write(compiled(BOARD.replace("aliases {", f"{other} aliases {{", 1))))
    assert main(["plan", "--memory", "256", "--device", MAC, "--tree", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gic"]["version"] == 3


def test_an_unknown_device_is_one_line_with_a_hint(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "a001.ethernet", "--tree", dtb]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"did you mean {MAC}" in error


@pytest.mark.parametrize("content", [None, b"not a tree"])
def test_a_file_that_is_no_tree_is_one_line(
    content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.dtb"
    if content is not None:
        file.write_bytes(content)
    assert main(["explain", MAC, "--tree", str(file)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"midway: reading {file}: ")
    assert error.count("\n") == 1


def test_plan_shows_the_address_space_and_needs_no_kernel(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--device", f"{MAC},address=host", "--tree", dtb, "--memory", "3G"]) == 0
    said = capsys.readouterr()
    assert "0x0000a0010000" in said.out
    assert "host 0xa0010000, mapped" in said.out
    assert "0x0000c0000000    0xc0000000  RAM" in said.out, "the RAM makes room for the device"
    assert "no kernel is named" in said.err


def test_plan_writes_the_guests_tree_and_speaks_json(
    dtb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "guest.dtb"
    assert main(["plan", "--device", MAC, "--tree", dtb, "--json", "--dump-dtb", str(made)]) == 0
    assert json.loads(capsys.readouterr().out)["tree"]["size"] == made.stat().st_size
    assert decompiled(made.read_bytes())[1] == ""


def test_plan_reads_a_vms_toml(dtb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = bytearray(4096)
    image[8:24] = (0).to_bytes(8, "little") + (48 << 20).to_bytes(8, "little")
    image[56:60] = b"ARM\x64"
    (tmp_path / "Image").write_bytes(image)
    file = tmp_path / "vm.toml"
    file.write_text(
        f'kernel = "Image"\ncpus = 2\n[[devices]]\nname = "{MAC}"\nclocks = {{ core = 1000 }}\n'
        'policies = { dmas = "refused" }\n'
    )
    assert main(["plan", str(file), "--tree", dtb]) == 1
    assert "dmas points to /soc/clock-controller@0" in capsys.readouterr().err
    file.write_text(file.read_text().replace('policies = { dmas = "refused" }\n', ""))
    assert main(["plan", str(file), "--tree", dtb]) == 0
    assert "core: 1000 Hz" in capsys.readouterr().out


def test_planning_every_device_refuses_what_only_a_vm_has(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--kernel", "Image", "--irq-affinity", "host", "--strict", "--dump-dtb", "guest.dtb"]
    assert main(["plan", "--all", "--tree", dtb, *words]) == 2
    said = capsys.readouterr().err
    assert "leave out --kernel and --strict and --irq-affinity and --dump-dtb" in said
    assert main(["plan", "--all", "--tree", dtb]) == 0


def test_strict_plans_fail_in_one_line(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--device", MAC, "--tree", dtb, "--strict"]) == 1
    error = capsys.readouterr().err
    assert "not passed under --strict" in error
    assert error.count("\n") == 1
