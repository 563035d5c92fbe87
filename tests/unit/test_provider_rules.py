# SPDX-License-Identifier: Apache-2.0
"""Which properties are references, and by which rule: vendors' names, patterns, and what only looks so."""

import pytest

from midway.config import ProviderPolicy
from midway.devicetree.node import cells
from midway.devicetree.values import cell_list
from midway.findings import Severity
from midway.passthrough.policies import Rule, RuleBook
from unit.planned import board, codes, device, findings, plan, plans

OSC = 'osc: osc { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };'
CMU = "cmu: cmu { #clock-cells = <1>; #reset-cells = <1>; #power-domain-cells = <0>; };"


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
