# SPDX-License-Identifier: Apache-2.0
"""``midway explain --graph``: a device as a picture, an SVG document that says what the plan says."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from midway.board.describe import device_as_json
from midway.cli import main
from midway.config import ProviderPolicy
from midway.devicetree.write import write
from midway.findings import Finding, Severity
from midway.passthrough.routes import DevicePlan
from midway.passthrough.verdict import Verdict
from midway.views.graph import picture
from midway.views.palette import SEVERITIES, VERDICTS, look_of
from midway.views.svg import Font, clipped, text_width, wrapped
from unit.dts import BOARD, compiled
from unit.planned import plan

SVG = "{http://www.w3.org/2000/svg}"
MAC = "a0010000.ethernet"
BARE = 'd@10000 { compatible = "test,d"; reg = <0 0x10000 0 0x1000>; };'


def with_supplies(count: int) -> str:
    """A device that points to so many regulators."""
    rails = "".join(f'r{at}: rail-{at} {{ compatible = "regulator-fixed"; }};' for at in range(count))
    supplies = "".join(f"v{at}-supply = <&r{at}>;" for at in range(count))
    return f'{rails} d@10000 {{ compatible = "test,d"; reg = <0 0x10000 0 0x1000>; {supplies} }};'


def drawn(found: DevicePlan, in_use: tuple[Finding, ...] = ()) -> ElementTree.Element:
    # What is parsed is what was just made here.
    return ElementTree.fromstring(picture(found, in_use))  # noqa: S314


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def boxes(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """The cards: x, y, width, height."""
    return [
        (
            float(box.attrib["x"]),
            float(box.attrib["y"]),
            float(box.attrib["width"]),
            float(box.attrib["height"]),
        )
        for box in root.iter(f"{SVG}rect")
        if box.attrib.get("stroke", "none") != "none"
    ]


def test_the_picture_says_what_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dtb, svg = tmp_path / "board.dtb", tmp_path / "device.svg"
    dtb.write_bytes(write(compiled(BOARD)))
    assert main(["explain", MAC, "--tree", str(dtb), "--graph", str(svg)]) == 0
    assert capsys.readouterr().out.startswith(f"{MAC}: passable with findings\n")
    said = texts(ElementTree.fromstring(svg.read_text(encoding="utf-8")))  # noqa: S314
    for text in (
        MAC,
        "passable with findings",
        "Registers 0 · core",
        "0xa0010000 → 0x100000",
        "Interrupt 2 · again",
        "the same as 0",
        "clocks",
        "bus: 12 MHz, core: 125 MHz",
        "3.3 V",
        "dropped: the guest goes without",
        "ethernet-phy@1",
        "no-iommu",
    ):
        assert text in said


@pytest.mark.parametrize("count", [0, 1, 20, 60])
def test_no_card_lies_on_another_or_outside_however_many_providers_there_are(count: int) -> None:
    root = drawn(plan(with_supplies(count)))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    found = boxes(root)
    assert len(found) >= 3 + 2 * count
    for at, (x, y, wide, high) in enumerate(found):
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + high <= height
        for left, top, broad, tall in found[at + 1 :]:
            apart = x + wide <= left or left + broad <= x or y + high <= top or top + tall <= y
            assert apart, (x, y, left, top)


def test_a_device_that_points_nowhere_says_so() -> None:
    assert "its node points to no other" in texts(drawn(plan(BARE)))


def test_every_policy_verdict_and_severity_has_a_colour() -> None:
    assert len({look_of(policy).colour for policy in (None, *ProviderPolicy)}) == len(ProviderPolicy) + 1
    assert {*VERDICTS} == {*Verdict}
    assert {*SEVERITIES} == {*Severity}


def test_what_the_host_uses_the_device_for_is_in_the_picture() -> None:
    used = Finding("interface-up", Severity.REFUSAL, "10000.d", "its network interface eth0 is up", "")
    assert "its network interface eth0 is up" in texts(drawn(plan(BARE), (used,)))


def test_a_line_that_stays_within_the_guest_leaves_the_others_their_routes() -> None:
    within = BARE.replace(
        "};",
        "interrupts-extended = <&gic 0 5 4>, <&chip 3>;"
        " chip: chip { interrupt-controller; #interrupt-cells = <1>; }; };",
    )
    found = plan(within)
    said = texts(drawn(found))
    assert "SPI 5 → SPI 0" in said
    assert "stays within the guest" in said
    assert "cannot be passed" not in said
    assert [line["guest_spi"] for line in device_as_json(found)["irq"]] == [0, None]


def test_a_line_behind_an_empty_entry_is_shown_as_one_that_cannot_be_passed() -> None:
    found = plan(BARE.replace("};", "interrupts-extended = <&gic 0 5 4>, <0>, <&gic 0 6 4>; };"))
    said = texts(drawn(found))
    assert "SPI 5 → SPI 0" in said
    assert said[said.index("SPI 6") + 1] == "cannot be passed"
    assert [line["guest_spi"] for line in device_as_json(found)["irq"]] == [0, None]


def test_a_trees_odd_strings_are_still_xml() -> None:
    body = BARE.replace("test,d", 'a<b&c>\\"\\x01')
    assert 'a<b&c>"?' in texts(drawn(plan(body)))


def test_many_findings_of_a_kind_are_counted_and_not_listed() -> None:
    said = texts(drawn(plan(with_supplies(20))))
    assert "and 18 more like these" in said
    assert said.count("voltage-unknown") == 1


def test_text_that_is_too_long_keeps_both_its_ends_and_fits() -> None:
    font = Font(12, mono=True)
    short = clipped("/soc/bus@30000000/" + "x" * 200 + "/pinctrl@30330000", font, 200)
    assert re.fullmatch(r"/soc.*….*30330000", short)
    assert text_width(short, font) <= 200


def test_text_is_wrapped_to_so_many_lines_and_says_when_it_goes_on() -> None:
    font = Font(12)
    lines = wrapped("a few words " * 30, font, 150, 3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(text_width(line, font) <= 150 for line in lines)
    assert wrapped("", font, 150, 3) == []


def test_a_picture_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dtb = tmp_path / "board.dtb"
    dtb.write_bytes(write(compiled(BOARD)))
    assert main(["explain", MAC, "--tree", str(dtb), "--graph", str(tmp_path / "no" / "x.svg")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("midway: writing ")
    assert error.count("\n") == 1
