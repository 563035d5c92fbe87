# SPDX-License-Identifier: Apache-2.0
"""What the driver vfio-forward offers beside VFIO's own ABI, as features of a device."""

from midway.uapi.layout import S32, U32, U64, Layout

HEADER = "vfio_forward.h"
ARCHITECTURES = ("aarch64", "x86_64")

VFIO_FORWARD_FEATURE_FORWARD = 0x4D00
VFIO_FORWARD_ROUTE_LIMIT = 1000
VFIO_FORWARD_ROUTE_WANTED = 1 << 0
VFIO_FORWARD_ROUTE_ENGAGED = 1 << 1
VFIO_FORWARD_ROUTE_STORMED = 1 << 2
ROUTE = Layout(
    "struct vfio_forward_route",
    ("index", U32),
    ("flags", U32),
    ("spi", U32),
    ("limit", U32),
    ("notify", S32),
    ("reserved", U32),
    ("forwarded", U64),
    ("early", U64),
    ("switches", U64),
    ("storms", U64),
)

VFIO_FORWARD_FEATURE_DIRECT = 0x4D01
DIRECT_RANGE = Layout("struct vfio_forward_direct_range", ("iova", U64), ("size", U64))
DIRECT = Layout(
    "struct vfio_forward_direct",
    ("flags", U32),
    ("state", U32),
    ("count", U32),
    ("reserved", U32),
    ("bytes", U64),
    ("ranges", U64, 0),
)

VFIO_FORWARD_FEATURE_COUNTERS = 0x4D03
COUNTERS = Layout(
    "struct vfio_forward_counters",
    ("index", U32),
    ("flags", U32),
    ("delivered", U64),
    ("spurious", U64),
    ("masked_ns", U64),
)
