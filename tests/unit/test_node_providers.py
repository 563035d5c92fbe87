# SPDX-License-Identifier: Apache-2.0
"""What becomes of the properties that point from a device to others."""

from typing import Any

import pytest

from midway.config import ProviderPolicy
from midway.devicetree.index import Tree
from midway.devicetree.node import cells, strings
from midway.devicetree.values import number
from midway.errors import PlanError
from midway.findings import Severity
from unit.dts import compiled
from unit.planned import board, codes, device, findings, plan, plans

OSC = 'osc: osc { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };'
CMU = "cmu: cmu { #clock-cells = <1>; #reset-cells = <1>; #power-domain-cells = <0>; };"


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


def test_a_provider_that_others_need_is_refused_and_one_they_like_is_a_warning() -> None:
    user = 'u@20000 { compatible = "x"; reg = <0 0x20000 0 0x1000>; %s };'
    needed = plan("me: " + device("#clock-cells = <0>;") + user % "clocks = <&me>;")
    assert codes(needed, Severity.REFUSAL) == {"provider-of-others"}
    assert "/u@20000" in findings(needed, Severity.REFUSAL)[0].cause
    liked = plan("me: " + device("#dma-cells = <0>;") + user % "dmas = <&me>;")
    assert codes(liked) == {"provider-of-others"}
    unused = plan("me: " + device("#clock-cells = <0>;") + user % 'clocks = <&me>; status = "disabled";')
    assert codes(unused, Severity.REFUSAL) == set()
