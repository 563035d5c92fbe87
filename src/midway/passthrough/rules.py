# SPDX-License-Identifier: Apache-2.0
"""What becomes of the properties that point to other nodes: one table, to be read and extended here.

A target that goes to the guest together with the device is not subject to it: the property then simply points
to the target's copy.  Names and arguments are those of the devicetree specification and of Linux' bindings.
"""

from midway.config import ProviderPolicy
from midway.passthrough.policies import OPAQUE, REST, Rule, RuleBook, StandIn

__all__ = ["RULES"]

_FIXED = ProviderPolicy.FIXED
_HELD = ProviderPolicy.HELD
_HOST = ProviderPolicy.HOST
_TOGETHER = ProviderPolicy.TOGETHER
_CARVED = ProviderPolicy.CARVED
_DROPPED = ProviderPolicy.DROPPED
_REFUSED = ProviderPolicy.REFUSED

# What keeps a device running.
_RUNNING = (
    Rule(("clocks",), "#clock-cells", _FIXED, labels="clock-names", stand_in=StandIn.CLOCK, critical=True),
    Rule(("*-supply",), 0, _FIXED, stand_in=StandIn.REGULATOR, critical=True),
    Rule(
        ("power-domains",),
        "#power-domain-cells",
        _HELD,
        labels="power-domain-names",
        critical=True,
        stays=True,
    ),
    Rule(("resets",), "#reset-cells", _HELD, labels="reset-names", critical=True),
    Rule(("pinctrl-*",), 0, _HELD, companions=("pinctrl-names",), critical=True, stays=True),
    Rule(
        ("interconnects",),
        "#interconnect-cells",
        _HELD,
        labels="interconnect-names",
        critical=True,
        stays=True,
    ),
)

# What the host has set up, or does, for the device.
_HOSTS = (
    Rule(
        ("assigned-clocks",),
        "#clock-cells",
        _HOST,
        companions=("assigned-clock-rates", "assigned-clock-rates-u64"),
    ),
    Rule(("assigned-clock-parents",), "#clock-cells", _HOST),
    Rule(("iommus",), "#iommu-cells", _HOST, critical=True),
    Rule(("iommu-map",), OPAQUE, _HOST, companions=("iommu-map-mask",)),
    Rule(("access-controllers",), "#access-controller-cells", _HOST, labels="access-controller-names"),
    Rule(("performance-domains",), "#performance-domain-cells", _HOST, critical=True, stays=True),
    Rule(("qcom,freq-domain",), "#freq-domain-cells", _HOST, critical=True, stays=True),
    Rule(("operating-points-v2", "required-opps"), 0, _HOST),
)

# What a driver can do without.
_OPTIONAL = (
    Rule(
        ("snps,reset-gpio",),
        "#gpio-cells",
        _DROPPED,
        "the pin that resets the PHY",
        companions=("snps,reset-active-low", "snps,reset-delays-us"),
    ),
    Rule(("gpios", "gpio", "*-gpios", "*-gpio"), "#gpio-cells", _DROPPED, "the pin"),
    Rule(
        ("gpio-ranges",),
        3,
        _DROPPED,
        "the mapping to the pin controller",
        companions=("gpio-ranges-group-names",),
    ),
    Rule(("nvmem-cells",), "#nvmem-cell-cells", _DROPPED, "a value from fuses", labels="nvmem-cell-names"),
    Rule(("nvmem",), 0, _DROPPED, "values from fuses"),
    Rule(("io-channels",), "#io-channel-cells", _DROPPED, "a reading", labels="io-channel-names"),
    Rule(("pwms",), "#pwm-cells", _DROPPED, "the PWM output", labels="pwm-names"),
    Rule(("mux-controls",), "#mux-control-cells", _DROPPED, "the multiplexer", labels="mux-control-names"),
    Rule(("thermal-sensors",), "#thermal-sensor-cells", _DROPPED, "the temperature sensor"),
    Rule(("cooling-device",), "#cooling-cells", _DROPPED, "cooling"),
    Rule(("sound-dai",), "#sound-dai-cells", _DROPPED, "the sound path"),
    Rule(("msi-parent",), "#msi-cells", _DROPPED, "message-signalled interrupts", critical=True),
    Rule(("msi-map",), OPAQUE, _DROPPED, "message-signalled interrupts", companions=("msi-map-mask",)),
    Rule(
        ("extcon", "backlight", "panel", "ddc", "ddc-i2c-bus", "mmc-pwrseq", "sfp"),
        0,
        _DROPPED,
        "the accessory",
    ),
    Rule(("leds", "link", "peer-hub", "remote-endpoint"), 0, _DROPPED, "the link to that node"),
    Rule(("monitored-battery", "power-supplies", "trip"), 0, _DROPPED, "what that node describes"),
    Rule(("affinity", "cpu", "cpus", "interrupt-affinity", "wakeup-parent"), 0, _DROPPED, "the relation"),
    Rule(("next-level-cache", "cpu-idle-states", "companion"), 0, _DROPPED, "the relation"),
    Rule(("ptp-timer", "ptimer-handle"), 0, _DROPPED, "hardware time stamps"),
    Rule(("memory-region-optional",), 0, _DROPPED, "the reserved memory"),
)

# What goes to the guest in the same VM: a PHY with its MAC, a mailbox with those who use it.
_SHARED = (
    Rule(
        ("phy-handle", "phy-device", "pcs-handle", "pcsphy-handle"),
        0,
        _TOGETHER,
        "the network's PHY",
        critical=True,
    ),
    Rule(("mdio-parent-bus",), 0, _TOGETHER, "the bus of its PHYs", critical=True),
    Rule(("mboxes",), "#mbox-cells", _TOGETHER, "the mailbox", labels="mbox-names", critical=True),
    Rule(("hwlocks",), "#hwlock-cells", _TOGETHER, "the lock", labels="hwlock-names", critical=True),
    Rule(
        ("phys",),
        "#phy-cells",
        _TOGETHER,
        "control of the PHY, which stays as it is",
        labels="phy-names",
        critical=True,
        otherwise=_DROPPED,
    ),
    Rule(
        ("dmas",),
        "#dma-cells",
        _TOGETHER,
        "transfers by the DMA engine",
        labels="dma-names",
        otherwise=_DROPPED,
    ),
    Rule(
        ("usb-phy", "phy"),
        0,
        _TOGETHER,
        "control of the PHY, which stays as it is",
        critical=True,
        otherwise=_DROPPED,
    ),
)

# What it cannot work without, and nothing stands in for.
_ESSENTIAL = (
    Rule(("memory-region",), 0, _CARVED, "reserved memory", labels="memory-region-names"),
    Rule(("sram", "firmware", "qcom,smem"), 0, _REFUSED, "memory or firmware of the host"),
    Rule(("snps,axi-config", "snps,mtl-rx-config", "snps,mtl-tx-config"), 0, _REFUSED, "its configuration"),
    Rule(
        ("interrupt-map",),
        OPAQUE,
        _REFUSED,
        "the interrupts of the bus below it",
        companions=("interrupt-map-mask",),
    ),
)

# References that vendors define: register blocks, firmware and neighbours of one SoC.
_VENDORS = Rule(
    (
        "*,*-syscon",
        "allwinner,sram",
        "amlogic,ao-secure",
        "amlogic,ao-sysctrl",
        "amlogic,canvas",
        "arm,cs-dev-assoc",
        "ethernet",
        "fsl,ddrc",
        "fsl,fman-ports",
        "fsl,mipi-phy-gpr",
        "fsl,rcpm-wakeup",
        "fsl,stop-mode",
        "fsl,usbmisc",
        "hdmi-phandle",
        "intf_mode",
        "marvell,system-controller",
        "marvell,usb-misc-reg",
        "mediatek,infracfg",
        "mediatek,larb",
        "mediatek,larbs",
        "mediatek,smi",
        "mediatek,vpu",
        "nvidia,mipi-calibrate",
        "nvidia,outputs",
        "nvidia,pmc",
        "pm_qos",
        "qcom,bcm-voters",
        "qcom,gmu",
        "qcom,halt-regs",
        "qcom,ipc",
        "qcom,mmio",
        "qcom,qmp",
        "qcom,smem-states",
        "qcom,spare-regs",
        "regmap",
        "renesas,fcp",
        "renesas,ipmmu-main",
        "rockchip,grf",
        "rockchip,php-grf",
        "rockchip,pipe-grf",
        "rockchip,pipe-phy-grf",
        "rockchip,pmu",
        "rockchip,usbgrf",
        "samsung,pmu-syscon",
        "samsung,sysreg",
        "samsung,sysreg-phandle",
        "samsung,syscon-phandle",
        "slim-ifc-dev",
        "syscon",
        "ti,ringacc",
        "ti,sci",
    ),
    REST,
    _DROPPED,
    "control of that block",
)

RULES = RuleBook(
    (*_RUNNING, *_HOSTS, *_OPTIONAL, *_SHARED, *_ESSENTIAL, _VENDORS),
    plain=frozenset({"vendor-supply", "pinctrl-single,gpio-range"}),
)
