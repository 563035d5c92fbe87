# SPDX-License-Identifier: Apache-2.0
"""Who on the host keeps a device there because of what it does for them."""

from midway.findings import Severity
from midway.passthrough.routes import DevicePlan
from unit.planned import codes, findings, plan

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
