# SPDX-License-Identifier: Apache-2.0
"""What becomes of the properties that point from a device to others."""

from typing import Any

import pytest

from midway.config import ProviderPolicy
from midway.devicetree.index import Tree
from midway.devicetree.node import cells, strings
from midway.devicetree.values import cell_list, number, text
from midway.errors import PlanError
from midway.findings import Severity
from midway.passthrough.policies import Rule, RuleBook
from midway.passthrough.routes import DevicePlan
from unit.dts import compiled
from unit.planned import board, codes, findings, plan, plans

OSC = 'osc: osc { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };'
CMU = "cmu: cmu { #clock-cells = <1>; #reset-cells = <1>; #power-domain-cells = <0>; };"


def device(properties: str, children: str = "") -> str:
    return f'd@10000 {{ compatible = "x"; reg = <0 0x10000 0 0x1000>; {properties} {children} }};'


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


def test_what_the_host_holds_or_does_leaves_no_trace_and_no_finding() -> None:
    found = plan(
        CMU
        + "pins: pins { }; iommu: iommu { #iommu-cells = <1>; };"
        + device(
            'power-domains = <&cmu>; resets = <&cmu 1>; reset-names = "all"; pinctrl-0 = <&pins>;'
            ' pinctrl-names = "default"; iommus = <&iommu 3>;'
        )
    )
    assert set(found.node.properties) == {"compatible", "reg"}
    assert codes(found) == set()
    assert {(decision.property, decision.policy) for decision in found.decisions} == {
        ("power-domains", ProviderPolicy.HELD),
        ("resets", ProviderPolicy.HELD),
        ("pinctrl-0", ProviderPolicy.HELD),
        ("iommus", ProviderPolicy.HOST),
    }


def test_what_is_dropped_is_named_with_its_loss() -> None:
    found = plan("dma: dma { #dma-cells = <1>; };" + device('dmas = <&dma 1>; dma-names = "rx";'))
    assert set(found.node.properties) == {"compatible", "reg"}
    (finding,) = findings(found)
    assert (finding.code, finding.severity) == ("provider-dropped", Severity.WARNING)
    assert "dmas points to /dma" in finding.cause
    assert "transfers by the DMA engine" in finding.cause


def test_a_phy_of_another_device_is_a_refusal_that_names_it_and_together_both_are_passed() -> None:
    mdio = (
        'm@20000 { compatible = "m"; reg = <0 0x20000 0 0x1000>; #address-cells = <1>; #size-cells = <0>;'
        " phy: phy@1 { reg = <1>; }; };"
    )
    host = board(mdio + device("phy-handle = <&phy>;"))
    (mac,) = plans(host, "10000.d")
    (finding,) = findings(mac, Severity.REFUSAL)
    assert finding.code == "needs-others"
    assert "pass 20000.m to the same VM" in finding.remedy
    assert mac.needs == {"20000.m"}
    mac, bus = plans(host, "10000.d", "20000.m")
    assert codes(mac, Severity.REFUSAL) == codes(bus, Severity.REFUSAL) == set()
    assert mac.node.properties["phy-handle"] == bus.node.children[0].properties["phandle"]


def test_a_policy_can_ask_for_what_is_optional() -> None:
    engine = 'e: e@20000 { compatible = "y"; reg = <0 0x20000 0 0x1000>; #dma-cells = <1>; };'
    found = plan(engine + device("dmas = <&e 1>;"), policies={"dmas": ProviderPolicy.TOGETHER})
    assert codes(found, Severity.REFUSAL) == {"needs-others"}
    assert found.needs == {"20000.e"}


def test_a_pool_without_a_place_is_reserved_in_the_guests_own_ram() -> None:
    pool = 'pool: pool { compatible = "shared-dma-pool"; size = <0 0x100000>; no-map; };'
    found = plan(f"reserved-memory {{ {pool} }};" + device("memory-region = <&pool>;"))
    (region,) = found.pools
    assert region.properties["size"] == cells(0, 0x100000)
    assert found.node.properties["memory-region"] == region.properties["phandle"]
    assert codes(found) == codes(found, Severity.REFUSAL) == set()


def test_a_pools_size_has_the_guests_cells_whatever_the_hosts_are() -> None:
    host = Tree(
        compiled(
            """/dts-v1/; / { #address-cells = <1>; #size-cells = <1>;
            reserved-memory { #address-cells = <1>; #size-cells = <1>; ranges;
              pool: pool { compatible = "shared-dma-pool"; size = <0x100000>; alignment = <0x2000>; };
              fw: fw@80000 { reg = <0x80000 1>; }; };
            d@10000 { compatible = "x"; reg = <0x10000 0x1000>; memory-region = <&pool>; };
            e@20000 { compatible = "x"; reg = <0x20000 0x1000>; memory-region = <&fw>; }; };"""
        )
    )
    (region,) = plans(host, "10000.d")[0].pools
    assert (region.properties["size"], region.properties["alignment"]) == (
        cells(0, 0x100000),
        cells(0, 0x2000),
    )
    assert "at 0x80000 " in findings(plans(host, "20000.e")[0], Severity.REFUSAL)[0].cause


@pytest.mark.parametrize("size", ["<1 0 0>", "[00 01]"])
def test_a_pool_whose_size_makes_no_sense_is_refused(size: str) -> None:
    pool = f'pool: pool {{ compatible = "shared-dma-pool"; size = {size}; }};'
    found = plan(f"reserved-memory {{ {pool} }};" + device("memory-region = <&pool>;"))
    assert codes(found, Severity.REFUSAL) == {"provider-refused"}


def test_devices_that_share_a_pool_on_the_host_have_one_each_in_the_guest() -> None:
    pool = 'pool: pool { compatible = "shared-dma-pool"; size = <0 0x100000>; };'
    other = 'e@20000 { compatible = "y"; reg = <0 0x20000 0 0x1000>; memory-region = <&pool>; };'
    host = board(f"reserved-memory {{ {pool} }};" + device("memory-region = <&pool>;") + other)
    made = [node for found in plans(host, "10000.d", "20000.e") for node in found.pools]
    assert [node.name for node in made] == ["pool-10000-d", "pool-20000-e"]
    assert len({number(node, "phandle") for node in made}) == 2


@pytest.mark.parametrize("label", ["Bus_Clk", "bus.clk", "bus  clk!"])
def test_a_stand_ins_name_is_spelled_as_bindings_spell_such_names(label: str) -> None:
    found = plan(OSC + device(f'clocks = <&osc>; clock-names = "{label}";'))
    assert [node.name for node in found.providers] == ["clock-10000-d-bus-clk"]


def test_stand_ins_whose_names_would_be_spelled_alike_are_numbered() -> None:
    body = CMU + device('clocks = <&cmu 1>, <&cmu 2>; clock-names = "a_b", "a-b";')
    assert [node.name for node in plan(body).providers] == ["clock-10000-d-a-b", "clock-10000-d-a-b-2"]


def test_reserved_memory_at_a_fixed_place_is_refused_with_where_it_is() -> None:
    region = "fw: fw@80000 { reg = <0 0x80000 0 1>; no-map; };"
    memory = f"reserved-memory {{ #address-cells = <2>; #size-cells = <2>; {region} }};"
    found = plan(memory + device("memory-region = <&fw>;"))
    (finding,) = findings(found, Severity.REFUSAL)
    assert finding.code == "provider-refused"
    assert "reserved memory at 0x80000 (no kernel may map it" in finding.cause


def test_what_is_essential_is_refused_unless_the_configuration_drops_it() -> None:
    body = "phy: phy { };" + device("phy-handle = <&phy>;")
    assert codes(plan(body), Severity.REFUSAL) == {"provider-refused"}
    allowed = plan(body, policies={"phy-handle": ProviderPolicy.DROPPED})
    assert codes(allowed, Severity.REFUSAL) == set()
    assert "phy-handle" not in allowed.node.properties


def test_an_essential_provider_of_a_child_is_only_dropped() -> None:
    body = "phy: phy { };" + device("", "port { phy-handle = <&phy>; };")
    assert codes(plan(body), Severity.REFUSAL) == set()
    assert codes(plan(body)) == {"provider-dropped"}


def test_of_several_references_those_left_out_keep_their_places_and_names() -> None:
    body = CMU + device(
        'phys = <&own 7>, <&far 8>; phy-names = "own", "far";',
        "own: own { #phy-cells = <1>; };",
    )
    found = plan(body + "far: far { #phy-cells = <1>; };")
    phandle = found.node.children[0].properties["phandle"]
    assert found.node.properties["phys"] == phandle + cells(7) + cells(0)
    assert found.node.properties["phy-names"] == strings("own", "far")
    assert codes(found) == {"provider-dropped"}


def test_the_first_of_several_keeps_its_place_too() -> None:
    body = CMU + device(
        'resets = <&cmu 1>, <&own 7>; reset-names = "far", "own";', "own: own { #reset-cells = <1>; };"
    )
    found = plan(body)
    phandle = found.node.children[0].properties["phandle"]
    assert found.node.properties["resets"] == cells(0) + phandle + cells(7)
    assert found.node.properties["reset-names"] == strings("far", "own")


def test_when_none_of_several_is_left_the_property_goes_with_its_names() -> None:
    found = plan(CMU + device('resets = <0>, <&cmu 7>; reset-names = "a", "b";'))
    assert not {"resets", "reset-names"} & set(found.node.properties)


def test_a_list_in_which_linux_stops_at_an_empty_entry_gets_shorter() -> None:
    body = "far: far { #msi-cells = <0>; };" + device("msi-parent = <&far>, <&own>;", "own: own { };")
    found = plan(body)
    assert found.node.properties["msi-parent"] == found.node.children[0].properties["phandle"]


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


def test_devices_that_are_passed_together_point_to_each_other() -> None:
    host = board(
        "dma: e@20000 { compatible = 'y'; reg = <0 0x20000 0 0x1000>; #dma-cells = <1>; };".replace("'", '"')
        + device("dmas = <&dma 5>;")
    )
    first, second = plans(host, "10000.d", "20000.e")
    assert first.node.properties["dmas"] == second.node.properties["phandle"] + cells(5)
    assert codes(first) == codes(second) == set()


def test_guest_phandles_are_none_of_the_hosts() -> None:
    host = board(OSC + device("clocks = <&osc>; phy-handle = <&own>;", "own: own { };"))
    (found,) = plans(host, "10000.d")
    used = {number(node, "phandle") for top in (found.node, *found.providers) for _, node in top.walk()} - {
        None
    }
    assert len(used) == 2
    assert not used & host.phandles


def test_malformed_references_are_refused_where_they_are_needed_and_dropped_where_not() -> None:
    needed = plan(device("clocks = <99>; clock-names = 'a';".replace("'", '"')))
    assert codes(needed, Severity.REFUSAL) == {"malformed-reference"}
    assert not {"clocks", "clock-names"} & set(needed.node.properties)
    spare = plan(device("dmas = <99>;"))
    assert codes(spare, Severity.REFUSAL) == set()
    assert codes(spare) == {"malformed-reference"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"clocks": {"fast": 1}}, "clock 'fast': its clocks are a"),
        ({"policies": {"dmas": ProviderPolicy.DROPPED}}, "policy for 'dmas': its node has no such reference"),
        ({"policies": {"resets": ProviderPolicy.FIXED}}, "policy for 'resets': nothing can stand in"),
    ],
)
def test_overrides_of_what_is_not_there_are_errors(options: dict[str, Any], complaint: str) -> None:
    body = OSC + CMU + device('clocks = <&osc>; clock-names = "a"; resets = <&cmu 1>;')
    with pytest.raises(PlanError, match=rf"10000\.d: .*{complaint}"):
        plan(body, **options)


@pytest.mark.parametrize("clock", ["1", "second"])
def test_the_rate_of_a_clock_that_the_device_has_not_is_an_error(clock: str) -> None:
    body = CMU + device('clocks = <&cmu 1>; clock-names = "first", "second";')
    with pytest.raises(PlanError, match=rf"rate of clock '{clock}': its clocks are first"):
        plan(body, clocks={clock: 1})
    assert rates_of(plan(body, clocks={"0": 7})) == [7]


def test_a_provider_that_others_need_is_refused_and_one_they_like_is_a_warning() -> None:
    user = 'u@20000 { compatible = "x"; reg = <0 0x20000 0 0x1000>; %s };'
    needed = plan("me: " + device("#clock-cells = <0>;") + user % "clocks = <&me>;")
    assert codes(needed, Severity.REFUSAL) == {"provider-of-others"}
    assert "/u@20000" in findings(needed, Severity.REFUSAL)[0].cause
    liked = plan("me: " + device("#dma-cells = <0>;") + user % "dmas = <&me>;")
    assert codes(liked) == {"provider-of-others"}
    unused = plan("me: " + device("#clock-cells = <0>;") + user % 'clocks = <&me>; status = "disabled";')
    assert codes(unused, Severity.REFUSAL) == set()


@pytest.mark.parametrize(
    ("reference", "arguments"),
    [
        ("st,syscfg", "0x4 0x1"),
        ("nvidia,bpmp", "5"),
        ("mediatek,syscon-wakeup", "0x420 2"),
        ("arasan,soc-ctl-syscon", ""),
        ("ti,syscon-pcie-ctrl", "0x4060"),
        ("samsung,disp-sysreg", ""),
        ("qcom,ipc-1", "8 13"),
        ("rockchip,grf", ""),
        ("fsl,stop-mode", "0x10 3"),
        ("amlogic,canvas", ""),
    ],
)
def test_what_a_vendor_calls_a_block_of_the_hosts_is_left_out_and_said(
    reference: str, arguments: str
) -> None:
    found = plan("block: block { };" + device(f"{reference} = <&block {arguments}>;"))
    assert reference not in found.node.properties
    (finding,) = findings(found)
    assert (finding.code, finding.severity) == ("provider-dropped", Severity.WARNING)
    assert f"{reference} points to /block" in finding.cause


def test_a_block_of_the_devices_own_that_a_vendor_calls_so_is_kept_with_its_arguments() -> None:
    found = plan(device("st,syscfg = <&own 0x4 0x1>;", "own: own { };"))
    phandle = found.node.children[0].properties["phandle"]
    assert found.node.properties["st,syscfg"] == phandle + cells(4, 1)


def test_what_has_a_references_name_and_is_none_stays_as_it_is() -> None:
    found = plan(device("st,syscfg = <0x7777>;"))
    assert found.node.properties["st,syscfg"] == cells(0x7777)


NUMBERS = (
    "pinctrl-single,register-width = <3>;",  # a width
    "snps,nr-gpios = <3>;",  # a count
    "qcom,smem = <3>, <3>;",  # two items in shared memory
)


@pytest.mark.parametrize("numbers", NUMBERS)
def test_a_number_that_is_somebodys_phandle_too_is_no_reference(numbers: str) -> None:
    somebody = 's@20000 { compatible = "s"; reg = <0 0x20000 0 0x1000>; phandle = <3>; };'
    host = board(somebody + device(numbers))
    (found,) = plans(host, "10000.d")
    name = numbers.partition(" ")[0]
    assert found.node.properties[name] == host["/d@10000"].properties[name]
    assert found.findings == plan(device("")).findings
    assert codes(plans(host, "20000.s")[0], Severity.REFUSAL) == set()


def test_the_pins_that_a_hog_sets_are_its_controllers_and_no_reference() -> None:
    hog = "hog { gpio-hog; gpios = <3 0>; output-high; };"
    found = plan(OSC.replace("osc {", "osc { phandle = <3>;") + device("#gpio-cells = <2>;", hog))
    assert cell_list(found.node.children[0], "gpios") == (3, 0)
    assert codes(found) == set()
    assert found.decisions == ()


def test_pins_by_state_are_references_and_the_host_keeps_them() -> None:
    found = plan("pins: pins { };" + device('pinctrl-10 = <&pins>; pinctrl-names = "default";'))
    assert not [name for name in found.node.properties if name.startswith("pinctrl")]


def test_exact_names_go_before_patterns_and_labels_are_no_references() -> None:
    exact = Rule(("a-supply",), 0, ProviderPolicy.HELD)
    pattern = Rule(("*-supply",), 0, ProviderPolicy.FIXED, labels="b-supply")
    book = RuleBook((pattern, exact), plain=("c-supply", "*,x-supply"))
    assert book.find("a-supply") is exact
    assert book.find("d-supply") is pattern
    assert book.find("b-supply") is book.find("c-supply") is book.find("supply") is None
    assert book.find("v,x-supply") is None


def test_a_pattern_for_a_number_fits_no_other_text() -> None:
    numbered = Rule(("state-#",), 0, ProviderPolicy.HELD)
    book = RuleBook((numbered,))
    assert book.find("state-0") is book.find("state-12") is numbered
    assert book.find("state-") is book.find("state-single") is book.find("state-1x") is None
