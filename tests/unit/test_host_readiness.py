# SPDX-License-Identifier: Apache-2.0
import errno
import json
from typing import TYPE_CHECKING

import pytest

from midway.cli import main
from midway.findings import Severity
from midway.host.checks import Check
from midway.host.kernel_log import kernel_log
from midway.host.readiness import Readiness, readiness
from midway.host.uevents import Uevents
from midway.kernel.syscalls import Linux
from midway.uapi import kvm

if TYPE_CHECKING:
    from unit.conftest import FakeHost


class FakeKvm(Linux):
    """/dev/kvm of an Arm host with `missing` capabilities and GICs of the types `gics`."""

    def __init__(self, missing: tuple[int, ...] = (), gics: tuple[int, ...] = (7,), refusal: int = 0) -> None:
        self.missing, self.gics, self.refusal = missing, gics, refusal

    def open(self, path: str, flags: int) -> int:
        del path, flags
        if self.refusal:
            raise OSError(self.refusal, "refused")
        return 1000

    def close(self, fd: int) -> None:
        assert fd in (1000, 1001)

    def ioctl(self, fd: int, request: int, argument: int | bytearray = 0) -> int:
        del fd
        if request == kvm.KVM_GET_API_VERSION:
            return kvm.KVM_API_VERSION
        if request == kvm.KVM_CHECK_EXTENSION:
            return 0 if argument in self.missing else 40
        if request == kvm.KVM_CREATE_VM:
            return 1001
        if request == kvm.KVM_GET_VCPU_MMAP_SIZE:
            return 4096
        assert request == kvm.KVM_CREATE_DEVICE
        assert isinstance(argument, bytearray)
        if kvm.CREATE_DEVICE.get(argument, "type") not in self.gics:
            raise OSError(errno.ENODEV, "no such device")
        return 0


@pytest.fixture
def arm_host(fake_host: "FakeHost") -> "FakeHost":
    """A host that lacks nothing."""
    fake_host.text("dev/vfio/vfio")
    fake_host.text("dev/kmsg", "6,1,0,-;GIC: Using split EOI/Deactivate mode\n")
    fake_host.text("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n")
    fake_host.text("sys/module/vfio_iommu_type1/initstate", "live\n")
    fake_host.driver("vfio-forward")
    fake_host.text("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "2\n")
    fake_host.text("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "1\n")
    fake_host.text("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n")
    (fake_host.root / "sys/kernel/tracing/events").mkdir(parents=True)
    (fake_host.root / "sys/kernel/debug/kvm").mkdir(parents=True)
    return fake_host


def look(host: "FakeHost", calls: FakeKvm | None = None) -> dict[str, Check]:
    report = readiness(host.files, machine="aarch64", calls=calls or FakeKvm())
    return {check.code: check for check in report.checks}


def test_a_host_that_lacks_nothing_has_no_finding(arm_host: "FakeHost") -> None:
    report = readiness(arm_host.files, machine="aarch64", calls=FakeKvm(gics=(5, 7)))
    assert report.can_run_guests
    assert report.findings == ()
    found = {check.code: check.found for check in report.checks}
    assert found["gic"] == "GICv3, GICv2"
    assert found["huge-pages"] == "1 of 2 free of 1 GiB"
    assert found["eoi-mode"] == "split EOI/Deactivate"


def test_another_architecture_is_refused_without_looking_further(fake_host: "FakeHost") -> None:
    report = readiness(fake_host.files, machine="x86_64")
    assert [check.code for check in report.checks] == ["architecture"]
    assert not report.can_run_guests
    assert "midway lab" in report.findings[0].remedy


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES])
def test_without_kvm_no_guest_can_run(arm_host: "FakeHost", number: int) -> None:
    report = readiness(arm_host.files, machine="aarch64", calls=FakeKvm(refusal=number))
    assert not report.can_run_guests
    assert [finding.code for finding in report.findings] == ["kvm"]
    assert report.findings[0].remedy


def test_a_missing_capability_is_named(arm_host: "FakeHost") -> None:
    needed = look(arm_host, FakeKvm(missing=(kvm.KVM_CAP_ARM_PSCI_0_2,)))["kvm-capabilities"]
    assert (needed.severity, needed.found) == (Severity.REFUSAL, "no PSCI 0.2")
    wanted = look(arm_host, FakeKvm(missing=(kvm.KVM_CAP_IRQFD_RESAMPLE,)))["kvm-capabilities"]
    assert (wanted.severity, wanted.found) == (Severity.WARNING, "no irqfd with resample")


def test_without_a_virtual_gic_no_guest_can_run(arm_host: "FakeHost") -> None:
    assert look(arm_host, FakeKvm(gics=()))["gic"].severity is Severity.REFUSAL


def test_what_is_missing_for_devices_is_a_warning_with_its_remedy(fake_host: "FakeHost") -> None:
    fake_host.text("proc/self/status", "CapEff:\t0000000000000000\n")
    found = look(fake_host)
    for code in ("vfio", "driver", "huge-pages", "privileges"):
        assert found[code].severity is Severity.WARNING
        assert found[code].remedy
    assert found["privileges"].found == "no CAP_SYS_RAWIO, CAP_SYS_ADMIN"


def test_a_driver_that_is_installed_needs_only_loading(fake_host: "FakeHost") -> None:
    assert "midway driver install" in look(fake_host)["driver"].remedy
    fake_host.text("proc/sys/kernel/osrelease", "6.1\n")
    fake_host.text("lib/modules/6.1/modules.dep", "updates/vfio-forward.ko: kernel/vfio.ko\n")
    assert look(fake_host)["driver"].remedy.startswith("modprobe vfio-forward;")


def test_a_log_that_does_not_say_leaves_the_eoi_mode_unknown(arm_host: "FakeHost") -> None:
    arm_host.text("dev/kmsg", "6,1,0,-;something else\n")
    assert look(arm_host)["eoi-mode"].severity is Severity.NOTE


@pytest.mark.parametrize(("value", "remedy"), [("Y", "can reach all memory"), ("N", "direct_dma=1")])
def test_leave_for_direct_dma_is_reported_either_way(arm_host: "FakeHost", value: str, remedy: str) -> None:
    arm_host.text("sys/module/vfio_forward/parameters/direct_dma", f"{value}\n")
    check = look(arm_host)["direct-dma"]
    assert check.found == f"direct_dma={value}"
    assert remedy in check.remedy


def test_the_kernels_log_is_read_to_its_end(fake_host: "FakeHost") -> None:
    assert kernel_log(fake_host.files) is None
    fake_host.text("dev/kmsg", "line\n" * 5000)
    assert kernel_log(fake_host.files) == "line\n" * 5000


def report_of(severity: Severity | None) -> Readiness:
    return Readiness((Check("gic", "guest's GIC", "GICv3", severity),))


@pytest.mark.parametrize(("severity", "status"), [(None, 0), (Severity.WARNING, 0), (Severity.REFUSAL, 1)])
def test_the_commands_status_says_whether_a_guest_can_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    severity: Severity | None,
    status: int,
) -> None:
    monkeypatch.setattr("midway.cli.doctor.readiness", lambda: report_of(severity))
    assert main(["doctor"]) == status
    assert "GICv3" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == status
    report = json.loads(capsys.readouterr().out)
    assert report["can_run_guests"] is (status == 0)
    assert report["checks"][0]["code"] == "gic"


def test_waiting_for_an_event_ends_at_once_when_the_condition_holds() -> None:
    with Uevents() as events:
        assert events.wait(lambda: True, 0)


def test_waiting_for_an_event_that_does_not_come_ends_in_time() -> None:
    with Uevents() as events:
        assert not events.wait(lambda: False, 0.01)
