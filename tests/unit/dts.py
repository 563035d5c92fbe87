# SPDX-License-Identifier: Apache-2.0
"""Device trees for tests, compiled and read back by dtc: neither of them knows Midway's own code."""

import subprocess

from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.read import read

BOARD = """
/dts-v1/;
/ {
    #address-cells = <2>;
    #size-cells = <2>;
    interrupt-parent = <&gic>;
    aliases { ethernet0 = &mac; serial0 = &uart; };
    chosen { stdout-path = "serial0:115200n8"; };
    gic: interrupt-controller@f9000000 {
        compatible = "arm,gic-v3"; interrupt-controller; #interrupt-cells = <3>;
        reg = <0 0xf9000000 0 0x10000>;
    };
    osc: oscillator { compatible = "fixed-clock"; #clock-cells = <0>; clock-frequency = <24000000>; };
    half: half { compatible = "fixed-factor-clock"; #clock-cells = <0>; clocks = <&osc>;
                 clock-mult = <1>; clock-div = <2>; };
    rail: rail { compatible = "regulator-fixed"; regulator-name = "rail";
                 regulator-min-microvolt = <3300000>; regulator-max-microvolt = <3300000>; };
    soc {
        compatible = "simple-bus"; #address-cells = <1>; #size-cells = <1>;
        ranges = <0 0 0xa0000000 0x10000000>;
        cmu: clock-controller@0 {
            compatible = "test,cmu"; reg = <0 0x1000>; #clock-cells = <1>; #reset-cells = <1>;
        };
        uart: serial@1000 {
            compatible = "test,uart"; reg = <0x1000 0x100>; interrupts = <0 5 4>; clocks = <&osc>;
        };
        mac: ethernet@10000 {
            compatible = "test,mac"; reg = <0x10000 0x1000>, <0x20000 0x10000>; reg-names = "core", "dma";
            interrupts = <0 7 4>, <0 8 1>, <0 7 4>; interrupt-names = "rx", "tx", "again";
            clocks = <&half>, <&cmu 3>; clock-names = "bus", "core";
            resets = <&cmu 1>; reset-names = "mac"; vdd-supply = <&rail>;
            iommus = <&iommu 4>; dmas = <&cmu>; dma-coherent; phy-handle = <&phy>;
            assigned-clocks = <&cmu 3>; assigned-clock-rates = <125000000>;
            status = "okay";
            mdio {
                #address-cells = <1>; #size-cells = <0>;
                phy: ethernet-phy@1 { reg = <1>; };
                ethernet-phy@2 { reg = <2>; status = "disabled"; };
            };
        };
        iommu: iommu@30000 { compatible = "test,iommu"; reg = <0x30000 0x1000>; #iommu-cells = <1>; };
    };
};
"""


def compiled(source: str) -> Node:
    """The tree of a DTS, which dtc makes even where it finds it wrong."""
    made = subprocess.run(
        ["dtc", "-q", "-f", "-I", "dts", "-O", "dtb"], input=source.encode(), check=True, capture_output=True
    )
    return read(made.stdout)


def tree(body: str) -> Tree:
    """The tree of a DTS whose root has two cells each for addresses and sizes, and `body`."""
    return Tree(compiled(f"/dts-v1/; / {{ #address-cells = <2>; #size-cells = <2>; {body} }};"))


def decompiled(blob: bytes) -> tuple[str, str]:
    """The blob as DTS, and dtc's warnings about it."""
    made = subprocess.run(["dtc", "-I", "dtb", "-O", "dts"], input=blob, check=True, capture_output=True)
    return made.stdout.decode(), made.stderr.decode()
