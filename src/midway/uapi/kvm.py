# SPDX-License-Identifier: Apache-2.0
"""KVM's ABI that all architectures share."""

from midway.uapi.layout import S16, U8, U16, U32, U64, Layout, io, iow, iowr

HEADER = "linux/kvm.h"
ARCHITECTURES = ("aarch64", "x86_64")

KVMIO = 0xAE

KVM_CAP_IRQFD = 32
KVM_CAP_MAX_VCPUS = 66
KVM_CAP_IRQFD_RESAMPLE = 82
KVM_CAP_DEVICE_CTRL = 89
KVM_CAP_ARM_PSCI_0_2 = 102
KVM_CAP_ARM_VM_IPA_SIZE = 165

USERSPACE_MEMORY_REGION = Layout(
    "struct kvm_userspace_memory_region",
    ("slot", U32),
    ("flags", U32),
    ("guest_phys_addr", U64),
    ("memory_size", U64),
    ("userspace_addr", U64),
)
IRQ_LEVEL = Layout("struct kvm_irq_level", ("irq", U32), ("level", U32))
IRQFD = Layout(
    "struct kvm_irqfd", ("fd", U32), ("gsi", U32), ("flags", U32), ("resamplefd", U32), ("pad", U8, 16)
)
KVM_IRQFD_FLAG_DEASSIGN = 1 << 0
KVM_IRQFD_FLAG_RESAMPLE = 1 << 1
ONE_REG = Layout("struct kvm_one_reg", ("id", U64), ("addr", U64))
CREATE_DEVICE = Layout("struct kvm_create_device", ("type", U32), ("fd", U32), ("flags", U32))
KVM_CREATE_DEVICE_TEST = 1
DEVICE_ATTR = Layout("struct kvm_device_attr", ("flags", U32), ("group", U32), ("attr", U64), ("addr", U64))

KVM_DEV_TYPE_VFIO = 4
KVM_DEV_TYPE_ARM_VGIC_V2 = 5
KVM_DEV_TYPE_ARM_VGIC_V3 = 7
KVM_DEV_VFIO_GROUP = 1
KVM_DEV_VFIO_GROUP_ADD = 1
KVM_DEV_VFIO_GROUP_DEL = 2

KVM_GET_API_VERSION = io(KVMIO, 0x00)
KVM_API_VERSION = 12
KVM_CREATE_VM = io(KVMIO, 0x01)
KVM_CHECK_EXTENSION = io(KVMIO, 0x03)
KVM_GET_VCPU_MMAP_SIZE = io(KVMIO, 0x04)
KVM_CREATE_VCPU = io(KVMIO, 0x41)
KVM_SET_USER_MEMORY_REGION = iow(KVMIO, 0x46, USERSPACE_MEMORY_REGION)
KVM_IRQ_LINE = iow(KVMIO, 0x61, IRQ_LEVEL)
KVM_IRQFD = iow(KVMIO, 0x76, IRQFD)
KVM_RUN = io(KVMIO, 0x80)
SIGNAL_MASK = Layout("struct kvm_signal_mask", ("len", U32), ("sigset", U8, 0))
KVM_SET_SIGNAL_MASK = iow(KVMIO, 0x8B, SIGNAL_MASK)
KVM_GET_ONE_REG = iow(KVMIO, 0xAB, ONE_REG)
KVM_SET_ONE_REG = iow(KVMIO, 0xAC, ONE_REG)
KVM_GET_STATS_FD = io(KVMIO, 0xCE)
KVM_CREATE_DEVICE = iowr(KVMIO, 0xE0, CREATE_DEVICE)
KVM_SET_DEVICE_ATTR = iow(KVMIO, 0xE1, DEVICE_ATTR)

KVM_EXIT_UNKNOWN = 0
KVM_EXIT_EXCEPTION = 1
KVM_EXIT_HYPERCALL = 3
KVM_EXIT_DEBUG = 4
KVM_EXIT_MMIO = 6
KVM_EXIT_SHUTDOWN = 8
KVM_EXIT_FAIL_ENTRY = 9
KVM_EXIT_INTR = 10
KVM_EXIT_INTERNAL_ERROR = 17
KVM_EXIT_SYSTEM_EVENT = 24
KVM_EXIT_ARM_NISV = 28

KVM_SYSTEM_EVENT_SHUTDOWN = 1
KVM_SYSTEM_EVENT_RESET = 2
KVM_SYSTEM_EVENT_CRASH = 3
KVM_SYSTEM_EVENT_SUSPEND = 5

KVM_REG_ARM64 = 0x6000_0000_0000_0000
KVM_REG_SIZE_U64 = 0x0030_0000_0000_0000

# The members of the exit union all begin at byte 32; only those that arm64 can meet are here.
RUN = Layout(
    "struct kvm_run",
    ("request_interrupt_window", U8, 1, 0),
    ("immediate_exit", U8, 1, 1),
    ("exit_reason", U32, 1, 8),
    ("flags", U16, 1, 14),
    ("hw.hardware_exit_reason", U64, 1, 32),
    ("fail_entry.hardware_entry_failure_reason", U64, 1, 32),
    ("fail_entry.cpu", U32, 1, 40),
    ("mmio.phys_addr", U64, 1, 32),
    ("mmio.data", U8, 8, 40),
    ("mmio.len", U32, 1, 48),
    ("mmio.is_write", U8, 1, 52),
    ("internal.suberror", U32, 1, 32),
    ("internal.ndata", U32, 1, 36),
    ("internal.data", U64, 16, 40),
    ("system_event.type", U32, 1, 32),
    ("system_event.ndata", U32, 1, 36),
    ("system_event.data", U64, 16, 40),
    ("arm_nisv.esr_iss", U64, 1, 32),
    ("arm_nisv.fault_ipa", U64, 1, 40),
    partial=True,
)

STATS_HEADER = Layout(
    "struct kvm_stats_header",
    ("flags", U32),
    ("name_size", U32),
    ("num_desc", U32),
    ("id_offset", U32),
    ("desc_offset", U32),
    ("data_offset", U32),
)
STATS_DESC = Layout(
    "struct kvm_stats_desc",
    ("flags", U32),
    ("exponent", S16),
    ("size", U16),
    ("offset", U32),
    ("bucket_size", U32),
    ("name", U8, 0),
)
