# SPDX-License-Identifier: Apache-2.0
"""KVM's ABI that only arm64 has: vCPUs, core registers, the GIC's attributes, interrupt lines."""

from midway.uapi.kvm import KVMIO
from midway.uapi.layout import U32, U64, Layout, ior, iow

HEADER = "linux/kvm.h"
ARCHITECTURES = ("aarch64",)

VCPU_INIT = Layout("struct kvm_vcpu_init", ("target", U32), ("features", U32, 7))
KVM_ARM_VCPU_INIT = iow(KVMIO, 0xAE, VCPU_INIT)
KVM_ARM_PREFERRED_TARGET = ior(KVMIO, 0xAF, VCPU_INIT)
KVM_ARM_VCPU_POWER_OFF = 0
KVM_ARM_VCPU_PSCI_0_2 = 2

REGS = Layout(
    "struct kvm_regs",
    ("regs.regs", U64, 31, 0),
    ("regs.sp", U64, 1, 248),
    ("regs.pc", U64, 1, 256),
    ("regs.pstate", U64, 1, 264),
    ("sp_el1", U64, 1, 272),
    ("elr_el1", U64, 1, 280),
    ("spsr", U64, 5, 288),
    partial=True,
)
KVM_REG_ARM_CORE = 0x0010 << 16

KVM_VGIC_V2_ADDR_TYPE_DIST = 0
KVM_VGIC_V2_ADDR_TYPE_CPU = 1
KVM_VGIC_V3_ADDR_TYPE_DIST = 2
KVM_VGIC_V3_ADDR_TYPE_REDIST = 3
KVM_DEV_ARM_VGIC_GRP_ADDR = 0
KVM_DEV_ARM_VGIC_GRP_NR_IRQS = 3
KVM_DEV_ARM_VGIC_GRP_CTRL = 4
KVM_DEV_ARM_VGIC_CTRL_INIT = 0

KVM_ARM_IRQ_TYPE_SHIFT = 24
KVM_ARM_IRQ_TYPE_SPI = 1
