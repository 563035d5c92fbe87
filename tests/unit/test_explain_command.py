# SPDX-License-Identifier: Apache-2.0
"""``midway explain`` on a running host, and ``midway plan --all``."""

import json
from pathlib import Path

import pytest

from midway.cli import main
from midway.cli.host_view import HostView
from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.write import write
from midway.findings import Finding, Severity
from midway.passthrough.planner import Host
from unit.dts import BOARD, compiled

MAC = "a0010000.ethernet"
UP = Finding(
    "interface-up", Severity.REFUSAL, MAC, "its network interface eth0 is up", "ip link set eth0 down"
)


@pytest.fixture
def dtb(tmp_path: Path) -> str:
    file = tmp_path / "board.dtb"
    file.write_bytes(write(compiled(BOARD)))
    return str(file)


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What this host, which has the board's tree, uses its devices for."""
    tree = Tree(compiled(BOARD))
    found: list[Finding] = []
    view = HostView(Host(tree, devices_of(tree)), is_live=True)
    monkeypatch.setattr("midway.cli.explain.host_view", lambda _: view)
    monkeypatch.setattr(
        "midway.host.usage.usage", lambda _, name: tuple(f for f in found if f.subject == name)
    )
    return found


def test_what_the_running_host_uses_a_device_for_is_said_with_its_remedy(
    uses: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    uses.append(UP)
    assert main(["explain", MAC]) == 0
    page = capsys.readouterr().out
    assert (
        "What the host uses it for\n"
        "  [interface-up]: its network interface eth0 is up\n"
        "      remedy: ip link set eth0 down\n"
    ) in page


def test_a_device_that_the_host_would_not_miss_says_nothing_of_use(
    uses: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    assert not uses
    assert main(["explain", MAC]) == 0
    assert "What the host uses it for\n  nothing\n" in capsys.readouterr().out


def test_the_use_is_in_the_json_and_in_the_picture(
    uses: list[Finding], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uses.append(UP)
    picture = tmp_path / "mac.svg"
    assert main(["explain", MAC, "--json", "--graph", str(picture)]) == 0
    assert json.loads(capsys.readouterr().out)["in_use"] == [UP.as_json()]
    assert UP.cause in picture.read_text(encoding="utf-8")


def test_a_board_that_is_not_here_is_used_for_nothing(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", MAC, "--tree", dtb]) == 0
    assert "What the host uses it for" not in capsys.readouterr().out


def test_the_page_has_its_columns_one_below_the_other_under_headings(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", MAC, "--tree", dtb]) == 0
    page = capsys.readouterr().out
    assert (
        "Interrupts (IRQ)\n"
        "  line  name   host   trigger      mode\n"
        "  0     rx     SPI 7  level-high   forward\n"
    ) in page
    (resets,) = (line.split() for line in page.splitlines() if line.startswith("  resets "))
    assert " ".join(resets) == "resets held kept on by the host (host: /soc/clock-controller@0)"


def test_what_does_not_fit_into_a_line_of_the_page_goes_on_in_its_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ", ".join(f'"clock-of-a-long-name-{at}"' for at in range(6))
    clocks = f"clocks = {', '.join(['<&osc>'] * 6)}; clock-names = {names};"
    file = tmp_path / "long.dtb"
    file.write_bytes(
        write(compiled(BOARD.replace('clocks = <&half>, <&cmu 3>; clock-names = "bus", "core";', clocks)))
    )
    assert main(["explain", MAC, "--tree", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("  clocks "))
    column = lines[first].index("clock-of-a-long-name-0")
    assert lines[first + 1][:column].isspace()
    assert lines[first + 1][column:].startswith("clock-of-a-long-name-")
    assert all(len(line) <= 112 for line in lines[first : first + 3])


def test_plan_all_gives_every_device_a_verdict_and_counts_them(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--all", "--json", "--tree", dtb]) == 0
    said = json.loads(capsys.readouterr().out)
    names = [device["name"] for device in said["devices"]]
    assert MAC in names
    assert said["summary"]["devices"] == len(names) == sum(said["summary"]["verdicts"].values())
    for device in said["devices"]:
        assert device["verdict"] in said["summary"]["verdicts"]
        assert {"findings", "providers", "irq", "mmio", "together", "in_use"} <= device.keys()
    assert said["summary"]["causes"]["passable with findings"]["no-iommu"] > 0


def test_plan_all_in_words_is_a_table_of_verdicts_and_their_causes(
    dtb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--all", "--tree", dtb]) == 0
    page = capsys.readouterr().out
    assert page.splitlines()[0].endswith(" devices")
    assert "passable with findings" in page
    assert "no-iommu" in page


def test_plan_all_and_a_vm_do_not_go_together(dtb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--all", "--device", MAC, "--tree", dtb]) != 0
    assert "--all plans no VM" in capsys.readouterr().err
