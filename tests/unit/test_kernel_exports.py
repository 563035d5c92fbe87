# SPDX-License-Identifier: Apache-2.0
"""The raw layer's public names."""

import midway.kernel

NAMES = (
    *("Action", "Container", "Device", "DeviceInfo", "EventFd", "Extent", "Gic", "Group", "GuestMemory"),
    *(
        "Forwarding",
        "Handle",
        "Kvm",
        "KvmVfio",
        "LineCounters",
        "LineInfo",
        "Linux",
        "Mapping",
        "RegionInfo",
        "Stats",
    ),
    *("SystemCalls", "Vcpu", "Vm", "open_device"),
)


def test_the_raw_layer_offers_these_names_and_no_others() -> None:
    assert sorted(midway.kernel.__all__) == sorted(NAMES)


def test_every_name_is_there_and_documented() -> None:
    for name in NAMES:
        assert getattr(midway.kernel, name).__doc__, name
