# SPDX-License-Identifier: Apache-2.0
"""What KVM and VFIO on this host offer."""

import os
from collections.abc import Iterator

from midway.errors import MidwayError
from midway.findings import Severity
from midway.host.checks import Check
from midway.host.driver_status import KernelPart, driver_status
from midway.host.kernel_log import kernel_log
from midway.host.sysfs import BUSES, HostFiles
from midway.kernel.kvm import Kvm
from midway.kernel.syscalls import Linux, SystemCalls
from midway.uapi import kvm

__all__ = ["check_driver", "check_eoi_mode", "check_kvm", "check_vfio"]

_NEEDED = {
    "in-kernel devices": kvm.KVM_CAP_DEVICE_CTRL,
    "PSCI 0.2": kvm.KVM_CAP_ARM_PSCI_0_2,
    "irqfd": kvm.KVM_CAP_IRQFD,
}
_RESAMPLE = "irqfd with resample"
_SPLIT = "Using split EOI/Deactivate mode"  # what both GIC drivers print at boot


def check_kvm(files: HostFiles, calls: SystemCalls | None = None) -> Iterator[Check]:
    """KVM, its capabilities, and the interrupt controllers that a guest can have."""
    try:
        with Kvm(calls or Linux(), str(files.dev / "kvm")) as device:
            yield Check("kvm", "KVM", f"at most {device.check_extension(kvm.KVM_CAP_MAX_VCPUS)} vCPUs")
            yield _capabilities(device)
            yield _gic(device)
    except MidwayError as error:
        answer = f"{error.attempted}: {error.answer}"
        yield Check("kvm", "KVM", answer, Severity.REFUSAL, error.remedy or "")


def _capabilities(device: Kvm) -> Check:
    missing = [name for name, number in _NEEDED.items() if not device.check_extension(number)]
    if missing:
        return Check(
            "kvm-capabilities",
            "KVM's capabilities",
            f"no {', '.join(missing)}",
            Severity.REFUSAL,
            "use a newer kernel",
        )
    if not device.check_extension(kvm.KVM_CAP_IRQFD_RESAMPLE):
        return Check(
            "kvm-capabilities",
            "KVM's capabilities",
            f"no {_RESAMPLE}",
            Severity.WARNING,
            "level interrupts go through user space on this kernel",
        )
    return Check("kvm-capabilities", "KVM's capabilities", ", ".join([*_NEEDED, _RESAMPLE]))


def _gic(device: Kvm) -> Check:
    versions = device.gic_versions()
    if not versions:
        return Check(
            "gic",
            "guest's GIC",
            "none",
            Severity.REFUSAL,
            "the host's interrupt controller has no virtualization; no guest can have one",
        )
    return Check("gic", "guest's GIC", ", ".join(f"GICv{version}" for version in versions))


def check_eoi_mode(files: HostFiles) -> Check:
    """Whether the host drops priority and deactivates apart, without which no interrupt can be forwarded."""
    log = kernel_log(files)
    if log is not None and _SPLIT in log:
        return Check("eoi-mode", "EOI mode", "split EOI/Deactivate")
    return Check(
        "eoi-mode",
        "EOI mode",
        "not known: the kernel's log does not reach back to its boot" if log else "not known: no kernel log",
        Severity.NOTE,
        "journalctl -k -b | grep EOI",
    )


def check_vfio(files: HostFiles) -> Iterator[Check]:
    """VFIO's container and its IOMMU back end."""
    node = files.dev / "vfio" / "vfio"
    if not node.exists():
        yield Check(
            "vfio",
            "VFIO",
            f"no {node}",
            Severity.WARNING,
            "modprobe vfio (CONFIG_VFIO); needed to pass devices",
        )
        return
    if not os.access(node, os.R_OK | os.W_OK):
        yield Check("vfio", "VFIO", f"{node} is not ours to open", Severity.WARNING, "run Midway as root")
        return
    yield Check("vfio", "VFIO", str(node))
    type1 = driver_status(files).type1
    if type1 not in (KernelPart.LOADED, KernelPart.BUILT_IN):
        remedy = "modprobe vfio_iommu_type1 (CONFIG_VFIO_IOMMU_TYPE1); needed to pass devices"
        found = "not loaded" if type1 is KernelPart.MODULE else "absent"
        yield Check("vfio-type1", "VFIO type1", found, Severity.WARNING, remedy)
    elif files.flag(files.sys / "module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"):
        found = "loaded, allow_unsafe_interrupts=1"
        remedy = "a device behind an IOMMU may forge message-signalled interrupts; set by the administrator"
        yield Check("vfio-type1", "VFIO type1", found, Severity.NOTE, remedy)
    else:
        yield Check("vfio-type1", "VFIO type1", "loaded")


def check_driver(files: HostFiles) -> Iterator[Check]:
    """The driver that gives platform devices to VFIO, and whether it may give those without an IOMMU."""
    drivers = [
        name
        for name in ("vfio-forward", "vfio-platform", "vfio-amba")
        if any((files.sys / "bus" / bus / "drivers" / name).is_dir() for bus in BUSES)
    ]
    status = driver_status(files)
    if not drivers:
        is_there = status.driver is KernelPart.MODULE
        found = f"{status.installed or 'vfio-forward'} is not loaded" if is_there else "none is loaded"
        remedy = "modprobe vfio-forward" if is_there else "midway driver install, then modprobe vfio-forward"
        yield Check("driver", "VFIO driver", found, Severity.WARNING, f"{remedy}; needed to pass devices")
        return
    yield Check("driver", "VFIO driver", ", ".join(drivers))
    if status.direct_dma is not None:
        found = f"direct_dma={'Y' if status.direct_dma else 'N'}"
        remedy = (
            "guests of devices without an IOMMU can reach all memory"
            if status.direct_dma
            else "devices without an IOMMU need: modprobe vfio-forward direct_dma=1"
        )
        yield Check("direct-dma", "direct DMA", found, Severity.NOTE, remedy)
