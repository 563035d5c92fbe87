# SPDX-License-Identifier: Apache-2.0
import errno
import json
import signal
from typing import TYPE_CHECKING

import pytest

from midway.devicetree.node import Node
from midway.errors import DeviceError, HostError, KernelError
from midway.host.claims import claim, claim_all, claim_lasting, claimed, release, release_all
from midway.host.platform import Platform
from midway.host.records import ClaimRecord, Records
from midway.host.signals import heard_by

if TYPE_CHECKING:
    from unit.conftest import FakeHost

FIRST, SECOND = "ff0c0000.ethernet", "ff0d0000.ethernet"


@pytest.fixture
def host(fake_host: "FakeHost") -> "FakeHost":
    """Two MACs with their driver, and vfio-forward with leave for direct DMA."""
    fake_host.device(FIRST, "/axi/ethernet@ff0c0000", "macb")
    fake_host.device(SECOND, "/axi/ethernet@ff0d0000", "macb")
    fake_host.driver("vfio-forward")
    fake_host.text("sys/module/vfio_forward/parameters/direct_dma", "Y\n")
    return fake_host


@pytest.fixture
def platform(host: "FakeHost", small_tree: Node) -> Platform:
    return Platform(host.files, small_tree)


def driver_of(host: "FakeHost", name: str) -> str | None:
    link = host.root / "sys/bus/platform/devices" / name / "driver"
    return link.readlink().name if link.is_symlink() else None


def override_of(host: "FakeHost", name: str) -> str:
    return (host.root / "sys/bus/platform/devices" / name / "driver_override").read_text().strip()


def test_a_claimed_device_is_bound_to_vfio_and_has_a_group_file(host: "FakeHost", platform: Platform) -> None:
    with claim(SECOND, platform=platform) as taken:
        assert driver_of(host, SECOND) == "vfio-forward"
        assert (taken.driver, taken.previous) == ("vfio-forward", "macb")
        assert taken.group.node == host.root / "dev/vfio/1001"
        assert not taken.group.noiommu


def test_after_a_claim_the_device_is_back_with_its_driver(host: "FakeHost", platform: Platform) -> None:
    with claim(SECOND, platform=platform):
        pass
    assert driver_of(host, SECOND) == "macb"
    assert override_of(host, SECOND) == "(null)"
    assert claimed(files=host.files) == ()


def test_an_exception_within_a_claim_hands_the_device_back(host: "FakeHost", platform: Platform) -> None:
    with pytest.raises(ZeroDivisionError), claim(SECOND, platform=platform):
        _ = 1 // 0
    assert driver_of(host, SECOND) == "macb"


def test_the_device_is_promised_to_vfio_before_its_driver_loses_it(
    host: "FakeHost", platform: Platform
) -> None:
    with claim(SECOND, platform=platform):
        pass
    what = [(path.rsplit("/", 2)[-2:], value) for path, value in host.writes]
    assert what == [
        ([SECOND, "driver_override"], "vfio-forward"),
        (["macb", "unbind"], SECOND),
        (["vfio-forward", "bind"], SECOND),
        (["vfio-forward", "unbind"], SECOND),
        ([SECOND, "driver_override"], ""),
        (["macb", "bind"], SECOND),
    ]


def test_several_devices_are_given_back_in_reverse_order(host: "FakeHost", platform: Platform) -> None:
    with claim_all([FIRST, SECOND], platform=platform) as taken:
        assert [one.name for one in taken] == [FIRST, SECOND]
    assert [value for path, value in host.writes if path.endswith("macb/bind")] == [SECOND, FIRST]


def test_when_one_of_several_cannot_be_claimed_the_others_are_given_back(
    host: "FakeHost", platform: Platform
) -> None:
    with pytest.raises(DeviceError, match="no such device"), claim_all([FIRST, "1.x"], platform=platform):
        pytest.fail("the claim succeeded")
    assert driver_of(host, FIRST) == "macb"


def test_a_device_named_twice_is_refused(platform: Platform) -> None:
    with pytest.raises(DeviceError, match="named twice"), claim_all([FIRST, FIRST], platform=platform):
        pytest.fail("the claim succeeded")


def test_a_refused_bind_puts_everything_back_and_keeps_the_kernels_answer(
    host: "FakeHost", platform: Platform
) -> None:
    host.refusals["vfio-forward"] = errno.EPERM
    with pytest.raises(KernelError, match=r"EPERM.*dmesg") as caught, claim(SECOND, platform=platform):
        pytest.fail("the claim succeeded")
    assert caught.value.errno == errno.EPERM
    assert (driver_of(host, SECOND), override_of(host, SECOND)) == ("macb", "(null)")
    assert claimed(files=host.files) == ()


def test_an_absent_device_is_an_error_that_names_the_near_ones(platform: Platform) -> None:
    with pytest.raises(DeviceError, match=r"ff0d0001.*did you mean.*ff0d0000"):
        claim("ff0d0001.ethernet", platform=platform).__enter__()


@pytest.mark.parametrize("name", ["", ".", "..", "../../kernel", "a/b", "a\nb", "x" * 256])
def test_a_name_that_could_leave_the_bus_is_refused(platform: Platform, name: str) -> None:
    with pytest.raises(DeviceError, match="not a device's name"):
        claim(name, platform=platform).__enter__()


def test_without_a_vfio_driver_the_error_says_how_to_get_one(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.device(SECOND, "/axi/ethernet@ff0d0000", "macb")
    with pytest.raises(HostError, match="midway driver install"):
        claim(SECOND, platform=Platform(fake_host.files, small_tree)).__enter__()
    assert driver_of(fake_host, SECOND) == "macb"


def test_without_an_iommu_the_administrators_leave_is_needed(host: "FakeHost", platform: Platform) -> None:
    host.text("sys/module/vfio_forward/parameters/direct_dma", "N\n")
    with pytest.raises(HostError, match="direct_dma=1"):
        claim(SECOND, platform=platform).__enter__()
    assert host.writes == []


def test_with_an_iommu_no_leave_is_needed(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.device(SECOND, "/axi/ethernet@ff0d0000", "macb", group=7)
    fake_host.driver("vfio-forward")
    fake_host.text("sys/module/vfio_forward/parameters/direct_dma", "N\n")
    with claim(SECOND, platform=Platform(fake_host.files, small_tree)) as taken:
        assert taken.group.number == 7


def test_the_kernels_own_driver_serves_where_midways_is_missing(
    fake_host: "FakeHost", small_tree: Node
) -> None:
    fake_host.device(SECOND, "/axi/ethernet@ff0d0000", "macb", group=7)
    fake_host.driver("vfio-platform")
    with claim(SECOND, platform=Platform(fake_host.files, small_tree)) as taken:
        assert taken.driver == "vfio-platform"


def test_a_device_of_the_amba_bus_goes_to_an_amba_driver(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.device("f12a0000.rtc", "/axi/rtc@f12a0000", "rtc-pl031", bus="amba", group=3)
    fake_host.driver("vfio-platform")
    platform = Platform(fake_host.files, small_tree)
    with pytest.raises(HostError, match="amba bus"):
        claim("f12a0000.rtc", platform=platform).__enter__()
    fake_host.driver("vfio-amba", "amba")
    with claim("f12a0000.rtc", platform=platform) as taken:
        assert (taken.driver, taken.previous) == ("vfio-amba", "rtc-pl031")


def test_members_of_an_iommu_group_must_be_claimed_together(fake_host: "FakeHost", small_tree: Node) -> None:
    fake_host.device(FIRST, "/axi/ethernet@ff0c0000", "macb", group=7)
    fake_host.device(SECOND, "/axi/ethernet@ff0d0000", "macb", group=7)
    fake_host.driver("vfio-forward")
    platform = Platform(fake_host.files, small_tree)
    with pytest.raises(DeviceError, match=r"IOMMU group 7.*ff0c0000\.ethernet \(macb\)"):
        claim(SECOND, platform=platform).__enter__()
    with claim_all([FIRST, SECOND], platform=platform) as taken:
        assert {one.group.number for one in taken} == {7}


def test_two_midways_cannot_have_the_same_device(platform: Platform) -> None:
    with claim(SECOND, platform=platform), pytest.raises(DeviceError, match=r"busy.*process"):
        claim(SECOND, platform=platform).__enter__()


def test_a_device_whose_group_somebody_has_open_is_busy_and_the_holder_named(
    host: "FakeHost", platform: Platform
) -> None:
    taken = claim_lasting([SECOND], platform=platform)[0]
    host.taken.add(taken.group.node)
    host.text("proc/4711/comm", "qemu-system-aar\n")
    (host.root / "proc/4711/fd").mkdir()
    (host.root / "proc/4711/fd/9").symlink_to("/dev/vfio/1001")
    for attempt in (
        lambda: claim(SECOND, platform=platform).__enter__(),
        lambda: release(SECOND, files=host.files),
    ):
        with pytest.raises(DeviceError, match=r"busy.*qemu-system-aar \(pid 4711\)"):
            attempt()
    assert driver_of(host, SECOND) == "vfio-forward"


def test_a_device_that_somebody_has_open_by_its_own_vfio_file_is_busy(
    host: "FakeHost", platform: Platform
) -> None:
    claim_lasting([SECOND], platform=platform)
    (host.root / "sys/bus/platform/devices" / SECOND / "vfio-dev/vfio3").mkdir(parents=True)
    host.text("proc/4711/comm", "crosvm\n")
    (host.root / "proc/4711/fd").mkdir()
    (host.root / "proc/4711/fd/9").symlink_to("/dev/vfio/devices/vfio3")
    with pytest.raises(DeviceError, match=r"busy.*vfio3 is held by crosvm \(pid 4711\)"):
        release(SECOND, files=host.files)
    assert driver_of(host, SECOND) == "vfio-forward"


def test_a_lasting_claim_survives_being_used_and_ends_with_release(
    host: "FakeHost", platform: Platform
) -> None:
    claim_lasting([SECOND], platform=platform)
    with claim(SECOND, platform=platform) as taken:
        assert taken.previous == "macb"
    assert driver_of(host, SECOND) == "vfio-forward"
    assert release(SECOND, files=host.files) == "macb"
    assert driver_of(host, SECOND) == "macb"


def test_a_lasting_claim_is_all_or_nothing(host: "FakeHost", platform: Platform) -> None:
    with pytest.raises(DeviceError):
        claim_lasting([FIRST, "1.x"], platform=platform)
    assert driver_of(host, FIRST) == "macb"
    assert claimed(files=host.files) == ()


def test_a_device_the_administrator_gave_to_vfio_stays_there(host: "FakeHost", platform: Platform) -> None:
    directory = host.root / "sys/bus/platform/devices" / SECOND
    host.files.write(directory / "driver" / "unbind", SECOND, "")
    host.files.write(directory / "driver_override", "vfio-forward", "")
    host.files.write(host.root / "sys/bus/platform/drivers/vfio-forward/bind", SECOND, "")
    with claim(SECOND, platform=platform) as taken:
        assert taken.previous is None
    assert (driver_of(host, SECOND), override_of(host, SECOND)) == ("vfio-forward", "vfio-forward")
    with pytest.raises(DeviceError, match="not claimed"):
        release(SECOND, files=host.files)


def leave_as_killed(host: "FakeHost", platform: Platform) -> None:
    """The state after a `kill -9` of a claimer: the record and the binding stay, the lock is gone."""
    claim_lasting([SECOND], platform=platform)
    record = Records(host.files).read(SECOND)
    assert record is not None
    path = host.root / "run/midway/claims" / f"{SECOND}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lasting": False}))


def test_release_gives_back_what_a_killed_process_had(host: "FakeHost", platform: Platform) -> None:
    leave_as_killed(host, platform)
    assert release(SECOND, files=host.files) == "macb"
    assert driver_of(host, SECOND) == "macb"


def test_a_claim_after_a_killed_one_still_knows_the_devices_driver(
    host: "FakeHost", platform: Platform
) -> None:
    leave_as_killed(host, platform)
    with claim(SECOND, platform=platform) as taken:
        assert taken.previous == "macb"
    assert driver_of(host, SECOND) == "macb"


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_release_repairs_a_claim_that_was_cut_short(host: "FakeHost", platform: Platform, steps: int) -> None:
    """Killed after the record and 0, 1 or 2 of the writes that take the device."""
    record = ClaimRecord(
        device=SECOND,
        bus="platform",
        driver="vfio-forward",
        previous="macb",
        override=None,
        pid=1,
        lasting=False,
    )
    Records(host.files).write(record)
    directory = host.root / "sys/bus/platform/devices" / SECOND
    if steps > 1:
        host.files.write(directory / "driver_override", "vfio-forward", "")
    if steps > 2:
        host.files.write(directory / "driver" / "unbind", SECOND, "")
    with claim(SECOND, platform=platform) as taken:
        assert taken.previous == "macb"
    assert (driver_of(host, SECOND), override_of(host, SECOND)) == ("macb", "(null)")


def test_a_driver_that_is_gone_is_named_and_the_record_kept_for_another_try(
    host: "FakeHost", platform: Platform
) -> None:
    claim_lasting([SECOND], platform=platform)
    macb = host.root / "sys/bus/platform/drivers/macb"
    macb.rename(macb.with_name("gone"))
    with pytest.raises(DeviceError, match=r"giving it back to macb.*not loaded"):
        release(SECOND, files=host.files)
    macb.with_name("gone").rename(macb)
    assert release(SECOND, files=host.files) == "macb"


def test_release_all_goes_on_after_one_that_fails(host: "FakeHost", platform: Platform) -> None:
    taken = claim_lasting([FIRST, SECOND], platform=platform)
    host.taken.add(taken[1].group.node)
    outcome = release_all(files=host.files)
    assert outcome[FIRST] == "macb"
    assert isinstance(outcome[SECOND], DeviceError)


def test_a_device_without_a_driver_is_left_without_one(host: "FakeHost", platform: Platform) -> None:
    host.device("ffa80000.dma", "/axi/dma@ffa80000")
    with claim("ffa80000.dma", platform=platform) as taken:
        assert taken.previous is None
    assert driver_of(host, "ffa80000.dma") is None


def test_a_driver_that_cannot_let_go_is_refused_by_name(host: "FakeHost", platform: Platform) -> None:
    (host.root / "sys/bus/platform/drivers/macb/unbind").unlink()
    with pytest.raises(DeviceError, match=r"macb.*does not let"):
        claim(SECOND, platform=platform).__enter__()
    assert (driver_of(host, SECOND), override_of(host, SECOND)) == ("macb", "(null)")


def test_a_damaged_record_is_an_error_that_says_where_it_is(host: "FakeHost", platform: Platform) -> None:
    claim_lasting([SECOND], platform=platform)
    path = host.root / "run/midway/claims" / f"{SECOND}.json"
    path.write_text('{"device": 3}')
    with pytest.raises(HostError, match=r"run/midway/claims.*bind its driver by hand"):
        release(SECOND, files=host.files)


def test_records_are_not_kept_in_a_directory_that_others_can_write(
    host: "FakeHost", platform: Platform
) -> None:
    directory = host.root / "run/midway/claims"
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    with pytest.raises(HostError, match="others than its owner"):
        claim(SECOND, platform=platform).__enter__()
    assert driver_of(host, SECOND) == "macb"


def test_records_are_not_followed_through_a_link(host: "FakeHost", platform: Platform) -> None:
    (host.root / "run/elsewhere").mkdir()
    (host.root / "run/midway").symlink_to("elsewhere")
    with pytest.raises(KernelError):
        claim(SECOND, platform=platform).__enter__()
    assert driver_of(host, SECOND) == "macb"


def test_only_the_owner_can_read_a_record(host: "FakeHost", platform: Platform) -> None:
    claim_lasting([SECOND], platform=platform)
    path = host.root / "run/midway/claims" / f"{SECOND}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_choice_of_driver_that_was_there_before_is_there_again(
    host: "FakeHost", platform: Platform
) -> None:
    host.files.write(host.root / "sys/bus/platform/devices" / SECOND / "driver_override", "macb", "")
    with claim(SECOND, platform=platform):
        assert override_of(host, SECOND) == "vfio-forward"
    assert (driver_of(host, SECOND), override_of(host, SECOND)) == ("macb", "macb")


def test_a_request_to_stop_while_a_device_is_given_back_waits_for_it(
    host: "FakeHost", platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Records.read

    def asked_to_stop(records: Records, device: str) -> ClaimRecord | None:
        signal.raise_signal(signal.SIGTERM)
        return read(records, device)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), heard_by(stop), claim(SECOND, platform=platform):  # noqa: PT012
        monkeypatch.setattr(Records, "read", asked_to_stop)
        raise DeviceError("not to be had")
    assert driver_of(host, SECOND) == "macb"
