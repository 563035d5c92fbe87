# SPDX-License-Identifier: Apache-2.0
"""Whole VMs planned: what fits together, and what is refused in one line."""

import itertools
import json
from typing import Any

import pytest

from midway.board.address_map import AddressMap
from midway.board.describe import plan_as_json
from midway.board.plan import Bank
from midway.config import AddressPolicy, DeviceConfig, InterruptMode, MachineConfig
from midway.errors import DeviceError, PlanError
from midway.findings import Finding, Severity
from midway.passthrough.verdict import Verdict, verdict
from unit.dts import BOARD
from unit.planned import machine

MAC, UART = "a0010000.ethernet", "a0001000.serial"


def config(*devices: DeviceConfig, **fields: Any) -> MachineConfig:
    return MachineConfig(kernel="Image", devices=devices, **fields)


def test_the_same_arguments_give_the_same_plan() -> None:
    wanted = config(DeviceConfig(name=MAC), DeviceConfig(name=UART), cpus=2)
    assert machine(BOARD, wanted) == machine(BOARD, wanted)


def test_nothing_of_a_plan_overlaps() -> None:
    plan = machine(BOARD, config(DeviceConfig(name=MAC), DeviceConfig(name=UART), cpus=8))
    windows = [plan.gic.distributor, plan.gic.second, plan.uart.window, plan.panic, plan.marks]
    places = [(window.address, window.size) for window in windows]
    places += [(bank.address, bank.size) for bank in plan.banks]
    places += [(route.guest_address, route.region.size) for device in plan.devices for route in device.mmio]
    for (lower, size), (upper, _) in itertools.pairwise(sorted(places)):
        assert lower + size <= upper
    spis = [plan.uart.spi, *(route.spi for device in plan.devices for route in device.lines)]
    assert len(set(spis)) == len(spis)
    assert max(spis) < plan.gic.spis


def test_devices_go_into_the_holes_of_ram_that_lies_at_host_addresses() -> None:
    banks = (Bank(0, 0x8000_0000), Bank(0x8_0000_0000, 0x4000_0000))
    plan = machine(BOARD, config(DeviceConfig(name=MAC)), banks=banks)
    assert all(0x8000_0000 <= route.guest_address < 1 << 32 for route in plan.devices[0].mmio)
    assert plan.kernel_address == 0


def test_a_device_at_its_host_address_keeps_the_rest_away() -> None:
    plan = machine(BOARD, config(DeviceConfig(name=UART), DeviceConfig(name=MAC, address=AddressPolicy.HOST)))
    assert [route.guest_address for route in plan.devices[1].mmio] == [0xA0010000, 0xA0020000]


def test_a_device_at_its_host_address_cannot_lie_in_ram() -> None:
    wanted = config(DeviceConfig(name=MAC, address=AddressPolicy.HOST))
    with pytest.raises(
        PlanError, match=r"placing region 0 of a0010000\.ethernet at 0xa0010000: the guest's RAM"
    ):
        machine(BOARD, wanted, banks=(Bank(0x8000_0000, 0x4000_0000),))


def test_ram_beyond_the_guests_address_space_is_an_error() -> None:
    with pytest.raises(PlanError, match="do not fit into 32 bits"):
        machine(BOARD, config(memory=4096), address_bits=32)


def test_interrupt_modes_are_those_asked_for_else_forward() -> None:
    plan = machine(
        BOARD, config(DeviceConfig(name=MAC, irq=InterruptMode.USERSPACE), DeviceConfig(name=UART))
    )
    modes = [{route.mode for route in device.lines} for device in plan.devices]
    assert modes == [{InterruptMode.USERSPACE}, {InterruptMode.FORWARD}]


def test_an_absent_device_names_those_that_are_near() -> None:
    with pytest.raises(
        DeviceError, match=r"a001000\.ethernet: no such device.*did you mean a0010000\.ethernet"
    ):
        machine(BOARD, config(DeviceConfig(name="a001000.ethernet")))


def test_a_refused_device_is_an_error_with_cause_and_remedy() -> None:
    with pytest.raises(
        PlanError, match=r"a0000000\.clock-controller: cannot be passed: the host needs it: /soc/eth"
    ):
        machine(BOARD, config(DeviceConfig(name="a0000000.clock-controller")))


def test_strict_turns_every_warning_into_an_error_and_lists_them() -> None:
    machine(BOARD, config(DeviceConfig(name=UART)))
    with pytest.raises(
        PlanError, match=r"a0001000\.serial: not passed under --strict: \[region-trapped\].*\[no-iommu\]"
    ):
        machine(BOARD, config(DeviceConfig(name=UART), strict=True))


def test_strict_lets_notes_pass() -> None:
    source = """
    /dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
      d@10000 { compatible = "x"; reg = <0 0x10000 0 0x1000>; }; };
    """
    plan = machine(source, config(DeviceConfig(name="10000.d"), strict=True), groups={"10000.d": 3})
    assert [finding.code for finding in plan.findings] == ["no-reset"]


def test_direct_dma_that_does_not_reach_the_ram_is_refused() -> None:
    source = """
    /dts-v1/; / { #address-cells = <2>; #size-cells = <2>;
      bus { compatible = "simple-bus"; #address-cells = <1>; #size-cells = <1>; ranges = <0 0 0 0x10000000>;
        dma-ranges = <0 0 0 0x50000000>; d@10000 { compatible = "x"; reg = <0x10000 0x1000>; }; }; };
    """
    wanted = config(DeviceConfig(name="10000.d"))
    machine(source, wanted, banks=(Bank(0x4000_0000, 0x1000_0000),))
    with pytest.raises(PlanError, match="does not reach the guest's RAM at 0x40000000"):
        machine(source, wanted, banks=(Bank(0x4000_0000, 0x1000_1000),))


def test_a_group_shared_with_others_names_them() -> None:
    plan = machine(BOARD, config(DeviceConfig(name=UART)), groups={UART: 3, MAC: 3})
    (finding,) = [finding for finding in plan.findings if finding.code == "group-shared"]
    assert MAC in finding.cause
    assert plan.devices[0].dma.group == 3


def test_the_page_size_of_the_host_decides_what_can_be_mapped() -> None:
    wanted = config(DeviceConfig(name=MAC))
    assert [route.mapped for route in machine(BOARD, wanted).devices[0].mmio] == [True, True]
    large = machine(BOARD, wanted, page_size=0x10000)
    assert [route.mapped for route in large.devices[0].mmio] == [False, True]


def test_a_plan_as_json_survives_json_and_says_what_matters() -> None:
    plan = machine(BOARD, config(DeviceConfig(name=MAC)), groups={MAC: 4})
    said = json.loads(json.dumps(plan_as_json(plan)))
    (device,) = said["devices"]
    assert device["verdict"] == "passable with findings"
    assert device["dma"] == {"kind": "iommu", "group": 4}
    assert [line["guest_spi"] for line in device["irq"]] == [1, 2, 1]
    assert [line["duplicate_of"] for line in device["irq"]] == [None, None, 0]
    assert device["mmio"][1]["name"] == "dma"
    assert {entry["property"]: entry["policy"] for entry in device["providers"]}["phy-handle"] is None
    assert said["tree"]["size"] == len(plan.tree)


@pytest.mark.parametrize(
    ("severities", "expected"),
    [
        ([], Verdict.PASSABLE),
        ([Severity.NOTE], Verdict.PASSABLE),
        ([Severity.WARNING, Severity.NOTE], Verdict.WITH_FINDINGS),
        ([Severity.WARNING, Severity.REFUSAL], Verdict.REFUSED),
    ],
)
def test_the_worst_finding_is_the_verdict(severities: list[Severity], expected: Verdict) -> None:
    assert verdict(Finding("x", severity, "d", "") for severity in severities) is expected


def test_the_address_space_of_a_guest_is_40_bits_unless_said() -> None:
    assert AddressMap().end == 1 << 40
