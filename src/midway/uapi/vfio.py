# SPDX-License-Identifier: Apache-2.0
"""VFIO's ABI: containers of type 1 and without an IOMMU, groups, and devices on the platform bus."""

from midway.uapi.layout import U8, U32, U64, Layout, io

HEADER = "linux/vfio.h"
ARCHITECTURES = ("aarch64", "x86_64")

VFIO_TYPE = ord(";")
VFIO_BASE = 100
VFIO_API_VERSION = 0

VFIO_TYPE1v2_IOMMU = 3
VFIO_NOIOMMU_IOMMU = 8

VFIO_GET_API_VERSION = io(VFIO_TYPE, VFIO_BASE + 0)
VFIO_SET_IOMMU = io(VFIO_TYPE, VFIO_BASE + 2)
VFIO_GROUP_GET_STATUS = io(VFIO_TYPE, VFIO_BASE + 3)
VFIO_GROUP_SET_CONTAINER = io(VFIO_TYPE, VFIO_BASE + 4)
VFIO_GROUP_GET_DEVICE_FD = io(VFIO_TYPE, VFIO_BASE + 6)
VFIO_DEVICE_GET_INFO = io(VFIO_TYPE, VFIO_BASE + 7)
VFIO_DEVICE_GET_REGION_INFO = io(VFIO_TYPE, VFIO_BASE + 8)
VFIO_DEVICE_GET_IRQ_INFO = io(VFIO_TYPE, VFIO_BASE + 9)
VFIO_DEVICE_SET_IRQS = io(VFIO_TYPE, VFIO_BASE + 10)
VFIO_DEVICE_RESET = io(VFIO_TYPE, VFIO_BASE + 11)
VFIO_IOMMU_MAP_DMA = io(VFIO_TYPE, VFIO_BASE + 13)
VFIO_DEVICE_FEATURE = io(VFIO_TYPE, VFIO_BASE + 17)

GROUP_STATUS = Layout("struct vfio_group_status", ("argsz", U32), ("flags", U32))
VFIO_GROUP_FLAGS_VIABLE = 1 << 0

DEVICE_INFO = Layout(
    "struct vfio_device_info",
    ("argsz", U32),
    ("flags", U32),
    ("num_regions", U32),
    ("num_irqs", U32),
    ("cap_offset", U32),
)
VFIO_DEVICE_FLAGS_RESET = 1 << 0
VFIO_DEVICE_FLAGS_PCI = 1 << 1
VFIO_DEVICE_FLAGS_PLATFORM = 1 << 2
VFIO_DEVICE_FLAGS_AMBA = 1 << 3

REGION_INFO = Layout(
    "struct vfio_region_info",
    ("argsz", U32),
    ("flags", U32),
    ("index", U32),
    ("cap_offset", U32),
    ("size", U64),
    ("offset", U64),
)
VFIO_REGION_INFO_FLAG_READ = 1 << 0
VFIO_REGION_INFO_FLAG_WRITE = 1 << 1
VFIO_REGION_INFO_FLAG_MMAP = 1 << 2

IRQ_INFO = Layout("struct vfio_irq_info", ("argsz", U32), ("flags", U32), ("index", U32), ("count", U32))
VFIO_IRQ_INFO_EVENTFD = 1 << 0
VFIO_IRQ_INFO_MASKABLE = 1 << 1
VFIO_IRQ_INFO_AUTOMASKED = 1 << 2

IRQ_SET = Layout(
    "struct vfio_irq_set",
    ("argsz", U32),
    ("flags", U32),
    ("index", U32),
    ("start", U32),
    ("count", U32),
    ("data", U8, 0),
)
VFIO_IRQ_SET_DATA_NONE = 1 << 0
VFIO_IRQ_SET_DATA_BOOL = 1 << 1
VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2
VFIO_IRQ_SET_ACTION_MASK = 1 << 3
VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4
VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5
VFIO_IRQ_SET_ACTION_TYPE_MASK = 0x38

FEATURE = Layout("struct vfio_device_feature", ("argsz", U32), ("flags", U32), ("data", U8, 0))
VFIO_DEVICE_FEATURE_GET = 1 << 16
VFIO_DEVICE_FEATURE_SET = 1 << 17
VFIO_DEVICE_FEATURE_PROBE = 1 << 18

DMA_MAP = Layout(
    "struct vfio_iommu_type1_dma_map",
    ("argsz", U32),
    ("flags", U32),
    ("vaddr", U64),
    ("iova", U64),
    ("size", U64),
)
VFIO_DMA_MAP_FLAG_READ = 1 << 0
VFIO_DMA_MAP_FLAG_WRITE = 1 << 1
