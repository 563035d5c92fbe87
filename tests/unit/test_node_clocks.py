# SPDX-License-Identifier: Apache-2.0
"""The clocks and supplies of a device in the guest: their rates, and what stands in for them."""

import pytest

from midway.config import ProviderPolicy
from midway.devicetree.node import cells, strings
from midway.devicetree.values import cell_list, number, text
from midway.errors import PlanError
from midway.findings import Severity
from midway.passthrough.routes import DevicePlan
from unit.planned import board, codes, device, findings, plan, plans

OSC = 'osc: osc { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };'
CMU = "cmu: cmu { #clock-cells = <1>; #reset-cells = <1>; #power-domain-cells = <0>; };"


def rates_of(found: DevicePlan) -> list[int | None]:
    """The rates of the device's clocks, as a guest follows them."""
    by_phandle = {number(node, "phandle"): node for node in found.providers}
    return [number(by_phandle[phandle], "clock-frequency") for phandle in cell_list(found.node, "clocks")]


def test_a_fixed_clock_stays_what_it_is_and_is_made_once() -> None:
    found = plan(OSC + device('clocks = <&osc>, <&osc>; clock-names = "bus", "core";'))
    assert rates_of(found) == [24_000_000, 24_000_000]
    assert len(found.providers) == 1
    assert found.node.properties["clock-names"] == strings("bus", "core")
    assert codes(found) == set()


def test_factors_are_multiplied_through_a_chain() -> None:
    chain = (
        OSC
        + "half: half { #clock-cells = <0>; clocks = <&osc>; clock-mult = <1>; clock-div = <2>; };"
        + "triple: triple { #clock-cells = <0>; clocks = <&half>; clock-mult = <3>; clock-div = <1>; };"
    )
    assert rates_of(plan(chain + device("clocks = <&triple>;"))) == [36_000_000]


def test_factors_in_a_circle_are_an_unknown_rate() -> None:
    circle = (
        "a: a { #clock-cells = <0>; clocks = <&b>; clock-mult = <2>; clock-div = <1>; };"
        "b: b { #clock-cells = <0>; clocks = <&a>; clock-mult = <2>; clock-div = <1>; };"
    )
    assert codes(plan(circle + device("clocks = <&a>;"))) == {"clock-rate-unknown"}


def test_the_configuration_goes_before_the_host_and_the_host_before_the_tree() -> None:
    body = OSC + CMU + device('clocks = <&osc>, <&cmu 1>, <&cmu 2>; clock-names = "a", "b", "c";')
    found = plan(body, rates=lambda _: (25_000_000, 50_000_000, None), clocks={"b": 60_000_000, "2": 7})
    assert rates_of(found) == [25_000_000, 60_000_000, 7]
    assert codes(found) == set()


def test_a_rate_that_a_fixed_clock_cannot_have_is_unknown() -> None:
    found = plans(board(OSC + device("clocks = <&osc>;")), "10000.d", rates=lambda _: (5_000_000_000,))[0]
    assert codes(found) == {"clock-rate-unknown"}
    assert rates_of(found) == [0]


def test_an_assigned_rate_is_better_than_none() -> None:
    body = CMU + device(
        "clocks = <&cmu 4>; assigned-clocks = <&cmu 3>, <&cmu 4>; assigned-clock-rates = <1>, <99>;"
    )
    found = plan(body)
    assert rates_of(found) == [99]
    assert "assigned-clocks" not in found.node.properties
    assert "assigned-clock-rates" not in found.node.properties


def test_an_unknown_rate_is_a_finding_that_says_how_to_give_it() -> None:
    found = plan(CMU + device('clocks = <&cmu 4>; clock-names = "core";'))
    (finding,) = findings(found)
    assert finding.code == "clock-rate-unknown"
    assert "clocks = { core = RATE }" in finding.remedy
    assert rates_of(found) == [0]


def test_a_clock_left_empty_stays_empty() -> None:
    found = plan(OSC + device('clocks = <0>, <&osc>; clock-names = "a", "b";'))
    assert cell_list(found.node, "clocks")[0] == 0
    assert len(cell_list(found.node, "clocks")) == 2


def test_a_supply_becomes_a_regulator_of_its_voltage() -> None:
    rail = "rail: rail { regulator-min-microvolt = <1800000>; regulator-max-microvolt = <1800000>; };"
    found = plan(rail + device("vdd-supply = <&rail>; vio-supply = <&rail>;"))
    (regulator,) = found.providers
    assert text(regulator, "compatible") == "regulator-fixed"
    assert number(regulator, "regulator-min-microvolt") == 1_800_000
    assert (
        found.node.properties["vdd-supply"]
        == found.node.properties["vio-supply"]
        == regulator.properties["phandle"]
    )


def test_a_supply_of_no_fixed_voltage_is_noted() -> None:
    rail = "rail: rail { regulator-min-microvolt = <1>; regulator-max-microvolt = <2>; };"
    found = plan(rail + device("vdd-supply = <&rail>;"))
    assert "voltage-unknown" in codes(found, Severity.NOTE)
    assert "regulator-min-microvolt" not in found.providers[0].properties


@pytest.mark.parametrize("label", ["Bus_Clk", "bus.clk", "bus  clk!"])
def test_a_stand_ins_name_is_spelled_as_bindings_spell_such_names(label: str) -> None:
    found = plan(OSC + device(f'clocks = <&osc>; clock-names = "{label}";'))
    assert [node.name for node in found.providers] == ["clock-10000-d-bus-clk"]


def test_stand_ins_whose_names_would_be_spelled_alike_are_numbered() -> None:
    body = CMU + device('clocks = <&cmu 1>, <&cmu 2>; clock-names = "a_b", "a-b";')
    assert [node.name for node in plan(body).providers] == ["clock-10000-d-a-b", "clock-10000-d-a-b-2"]


def test_of_the_clocks_to_set_up_those_that_stay_with_the_host_are_set_to_nothing() -> None:
    body = CMU + device(
        "assigned-clocks = <&cmu 1>, <&own>, <&own>; assigned-clock-rates = <5>, <7>, <9>;"
        "assigned-clock-rates-u64 = /bits/ 64 <5 7 9>;"
        "assigned-clock-parents = <&own>, <&own>, <&cmu 2>;",
        "own: own { #clock-cells = <0>; };",
    )
    found = plan(body)
    phandle = found.node.children[0].properties["phandle"]
    assert found.node.properties["assigned-clocks"] == cells(0) + phandle + phandle
    assert found.node.properties["assigned-clock-rates"] == cells(0, 7, 9)
    assert found.node.properties["assigned-clock-rates-u64"] == cells(0, 0, 0, 7, 0, 9)
    assert found.node.properties["assigned-clock-parents"] == cells(0) + phandle + cells(0)


@pytest.mark.parametrize(
    "properties",
    [
        "assigned-clocks = <&cmu 1>; assigned-clock-parents = <&own>; assigned-clock-rates = <5>;",
        "assigned-clock-rates = <5>; assigned-clock-parents = <&own>; assigned-clocks = <&cmu 1>;",
    ],
)
def test_without_a_clock_to_set_up_nothing_is_left_of_how(properties: str) -> None:
    found = plan(CMU + device(properties, "own: own { #clock-cells = <0>; };"))
    assert not [name for name in found.node.properties if name.startswith("assigned-clock")]
    (decided,) = (made for made in found.decisions if made.property == "assigned-clock-parents")
    assert (decided.policy, decided.outcome) == (ProviderPolicy.HOST, "their clocks stay with the host")


def test_clocks_that_all_go_to_the_guest_are_set_up_as_on_the_host() -> None:
    body = device(
        "assigned-clocks = <&own>, <&own>; assigned-clock-rates = <5>, <0>;"
        "assigned-clock-parents = <0>, <&own>;",
        "own: own { #clock-cells = <0>; };",
    )
    found = plan(body)
    phandle = found.node.children[0].properties["phandle"]
    assert found.node.properties["assigned-clocks"] == phandle * 2
    assert found.node.properties["assigned-clock-rates"] == cells(5, 0)
    assert found.node.properties["assigned-clock-parents"] == cells(0) + phandle


@pytest.mark.parametrize("clock", ["1", "second"])
def test_the_rate_of_a_clock_that_the_device_has_not_is_an_error(clock: str) -> None:
    body = CMU + device('clocks = <&cmu 1>; clock-names = "first", "second";')
    with pytest.raises(PlanError, match=rf"rate of clock '{clock}': its clocks are first"):
        plan(body, clocks={clock: 1})
    assert rates_of(plan(body, clocks={"0": 7})) == [7]
