# SPDX-License-Identifier: Apache-2.0
"""The commands devices, claim and release, as a user sees them."""

import json
from pathlib import Path

import pytest

from midway.cli import main
from midway.cli.tables import printable
from midway.devicetree.node import Node, cells
from midway.devicetree.write import write
from midway.errors import DeviceError, MidwayError
from midway.host.borrowing import Claim
from midway.host.groups import VfioGroup

Outcome = dict[str, str | MidwayError | None]


@pytest.fixture
def blob(small_tree: Node, tmp_path: Path) -> Path:
    small_tree.children[0].children[0].properties["interrupts"] = cells(0, 1)
    path = tmp_path / "board.dtb"
    path.write_bytes(write(small_tree))
    return path


def test_a_boards_devices_are_listed_from_its_tree(blob: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--tree", str(blob)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["NAME", "COMPATIBLE", "DRIVER", "REGIONS", "LINES", "GROUP", "DMA", "VERDICT"]
    mac = next(row for row in rows if row and row[0] == "ff0d0000.ethernet")
    assert mac[1:7] == ["cdns,gem", "-", "0xff0d0000+0x1000", "-", "-", "direct"]
    assert mac[7:] == ["passable", "with", "findings:", "no-iommu"]


def test_the_list_for_programs_has_every_field(blob: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--json", "--tree", str(blob)]) == 0
    devices = {device["name"]: device for device in json.loads(capsys.readouterr().out)["devices"]}
    rtc = devices["f12a0000.rtc"]
    assert (rtc["bus"], rtc["node"], rtc["verdict"]) == (
        "amba",
        "/axi/rtc@f12a0000",
        "passable with findings",
    )
    assert rtc["regions"] == [{"index": 0, "name": None, "address": 0xF12A0000, "size": 0x1000}]
    assert (rtc["dma"], rtc["iommu_group"], rtc["in_use"]) == ({"kind": "direct", "group": None}, None, [])
    assert {"driver", "lines", "findings", "compatible"} <= rtc.keys()


def test_a_malformed_device_is_refused_and_the_others_still_listed(
    blob: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["devices", "--json", "--tree", str(blob)]) == 0
    verdicts = {
        device["name"]: device["verdict"] for device in json.loads(capsys.readouterr().out)["devices"]
    }
    assert verdicts["ff0c0000.ethernet"] == "refused"
    assert verdicts["ff0d0000.ethernet"] == "passable with findings"


def test_a_host_without_a_device_tree_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    if Path("/sys/firmware/devicetree").exists():
        pytest.skip("this machine has a device tree")
    assert main(["devices"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_claiming_says_from_whom_and_to_whom(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []

    def claim(names: list[str], *, force: bool) -> tuple[Claim, ...]:
        seen.append((names, force))
        return tuple(
            Claim(
                name,
                "vfio-forward",
                "macb" if name == "a" else None,
                VfioGroup(1, Path("/dev/vfio/1"), False),
            )
            for name in names
        )

    monkeypatch.setattr("midway.cli.claim.claim_lasting", claim)
    assert main(["claim", "--force", "a", "b"]) == 0
    assert seen == [(["a", "b"], True)]
    assert capsys.readouterr().out.splitlines() == [
        "a: from macb to vfio-forward, /dev/vfio/1",
        "b: from no driver to vfio-forward, /dev/vfio/1",
    ]


@pytest.mark.parametrize("argv", [["release"], ["release", "--all", "a"]])
def test_release_wants_either_names_or_all(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert "--all" in capsys.readouterr().err


def test_release_goes_on_after_a_failure_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome: Outcome = {"a": DeviceError("busy", device="a"), "b": "macb", "c": None}
    monkeypatch.setattr("midway.cli.release.release_all", lambda: outcome)
    assert main(["release", "--all"]) == 1
    printed = capsys.readouterr()
    assert printed.err == "midway: a: busy\n"
    assert printed.out.splitlines() == ["b: back with macb", "c: has no driver, as before"]


def test_releasing_what_is_not_claimed_is_an_error_with_a_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def release(name: str) -> str:
        raise DeviceError("not claimed", device=name)

    monkeypatch.setattr("midway.cli.release.release", release)
    assert main(["release", "a"]) == 1
    assert capsys.readouterr().err == "midway: a: not claimed\n"


def test_nothing_to_release_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("midway.cli.release.release_all", dict)
    assert main(["release", "--all"]) == 0
    assert capsys.readouterr().out == "nothing is claimed\n"


def test_what_a_tree_says_cannot_drive_the_terminal() -> None:
    assert printable("evil\x1b[2J\x07 name") == "evil?[2J? name"
