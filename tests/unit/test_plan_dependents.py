# SPDX-License-Identifier: Apache-2.0
"""Who on the host keeps a device there because of what it does for them."""

import pytest

from midway.devicetree.values import cell_list
from midway.findings import Severity
from midway.passthrough.routes import DevicePlan
from unit.planned import board, codes, findings, plan, plans

GPIO = (
    'gpio: gpio@20000 { compatible = "g"; reg = <0 0x20000 0 0x1000>; interrupts = <0 6 4>;'
    " interrupt-controller; #interrupt-cells = <2>; };"
)
I2C = (
    'i2c@30000 {{ compatible = "i2c"; reg = <0 0x30000 0 0x1000>; #address-cells = <1>; #size-cells = <0>;'
    ' pmic: pmic@20 {{ compatible = "pmic"; reg = <0x20>; {} }}; }};'
)


def refused_for(found: DevicePlan) -> str:
    """The words of the refusal because of others, "" without one."""
    return next(
        (
            finding.cause
            for finding in findings(found, Severity.REFUSAL)
            if finding.code in ("provider-of-others", "serves-the-host")
        ),
        "",
    )


def test_the_boards_gic_stays_for_a_timer_that_is_no_device() -> None:
    timer = 'timer { compatible = "t"; interrupts = <1 13 4>; };'
    assert "/timer" in refused_for(plan(timer, "1000.gic"))


def test_the_boards_gic_stays_even_where_no_node_has_an_interrupt() -> None:
    assert codes(plan("", "1000.gic"), Severity.REFUSAL) == {"serves-the-host"}


def test_an_interrupt_controller_stays_for_buttons() -> None:
    keys = "keys { power { interrupt-parent = <&gpio>; interrupts = <4 8>; }; };"
    assert "/keys/power" in refused_for(plan(GPIO + keys, "20000.gpio"))


def test_an_interrupt_controller_stays_for_a_chip_behind_i2c_that_the_cpus_are_fed_by() -> None:
    body = (
        GPIO + I2C.format("interrupts-extended = <&gpio 3 8>;") + "cpus { cpu { cpu-supply = <&pmic>; }; };"
    )
    assert "/i2c@30000/pmic@20" in refused_for(plan(body, "20000.gpio"))


def test_an_interrupt_controller_stays_for_those_that_reach_it_through_a_nexus() -> None:
    nexus = (
        "nexus: nexus { #interrupt-cells = <1>; #address-cells = <0>; interrupt-map = <7 &gpio 3 8>; };"
        "keys { interrupt-parent = <&nexus>; interrupts = <7>; };"
    )
    assert "/keys" in refused_for(plan(GPIO + nexus, "20000.gpio"))


def test_an_interrupt_controller_stays_for_one_that_hands_interrupts_on_to_it() -> None:
    behind = "waker { interrupt-controller; #interrupt-cells = <2>; interrupt-parent = <&gpio>; };"
    assert "/waker" in refused_for(plan(GPIO + behind, "20000.gpio"))


def test_interrupts_that_cannot_be_understood_keep_nobody_on_the_host() -> None:
    keys = "keys { interrupt-parent = <&gpio>; interrupts = <4 8 1>; };"
    assert refused_for(plan(GPIO + keys, "20000.gpio")) == ""


@pytest.mark.parametrize(
    "users",
    [
        'u@50000 { status = "reserved"; clocks = <&c>; };',
        'mcu { status = "reserved"; u@50000 { dmas = <&c>; }; };',
    ],
    ids=["reserved", "below a reserved node"],
)
def test_what_firmware_uses_stays_for_it(users: str) -> None:
    provider = 'c: c@40000 { compatible = "c"; reg = <0 0x40000 0 0x1000>; #clock-cells = <0>; };'
    assert "u@50000" in refused_for(plan(provider + users, "40000.c"))


@pytest.mark.parametrize("status", ["disabled", "fail", "fail-ecc", "disable"])
def test_what_does_not_work_keeps_nobody_on_the_host(status: str) -> None:
    provider = 'c: c@40000 { compatible = "c"; reg = <0 0x40000 0 0x1000>; #clock-cells = <0>; };'
    user = f'u@50000 {{ status = "{status}"; clocks = <&c>; }};'
    assert refused_for(plan(provider + user, "40000.c")) == ""


MAPPED = (
    '{0}: {0}@40000 {{ compatible = "m"; reg = <0 0x40000 0 0x1000>; #{0}-cells = <1>; }};'
    'b@50000 {{ compatible = "b"; reg = <0 0x50000 0 0x1000>; {1} }};'
)


@pytest.mark.parametrize("kind", ["iommu", "msi"])
def test_what_a_bridge_maps_its_functions_to_stays_with_it(kind: str) -> None:
    body = MAPPED.format(kind, f'device_type = "pci"; {kind}-map = <0 &gic 0 1>, <1 &{kind} 9 7>;')
    assert "/b@50000" in refused_for(plan(body, f"40000.{kind}"))


def test_a_map_points_to_the_copies_of_those_that_go_to_the_guest_and_has_no_other_rows() -> None:
    body = MAPPED.format("iommu", "iommu-map = <1 &gic 2 3>, <4 &iommu 5 6>; iommu-map-mask = <7>;")
    bridge, iommu = plans(board(body), "50000.b", "40000.iommu")
    (phandle,) = cell_list(iommu.node, "phandle")
    assert cell_list(bridge.node, "iommu-map") == (4, phandle, 5, 6)
    assert cell_list(bridge.node, "iommu-map-mask") == (7,)


def test_a_map_whose_targets_stay_with_the_host_goes_with_its_mask() -> None:
    body = MAPPED.format("iommu", "iommu-map = <4 &iommu 5 6>; iommu-map-mask = <7>;")
    assert not {"iommu-map", "iommu-map-mask"} & plan(body, "50000.b").node.properties.keys()


@pytest.mark.parametrize(
    "rows", ["<4 &iommu 5>", "<4 0x999 5 6>"], ids=["a short row", "a phandle of nobody"]
)
def test_a_map_that_cannot_be_understood_is_a_finding(rows: str) -> None:
    found = plan(MAPPED.format("iommu", f"iommu-map = {rows};"), "50000.b")
    assert "malformed-reference" in codes(found)
