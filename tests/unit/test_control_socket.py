# SPDX-License-Identifier: Apache-2.0
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from midway.board.plan import MachinePlan
from midway.config import InterruptMode
from midway.errors import DeviceError, HostError
from midway.host.sysfs import HostFiles
from midway.vm import control
from midway.vm.control import LONGEST_LINE, ControlSocket
from midway.vm.marks import LineCount, Snapshot
from midway.vm.running import RunningVm, running_vms, vm_with

NIC = "ff0d0000.ethernet"


class Guest:
    """A VM with one device of one line."""

    tasks = (101, 102)

    def __init__(self) -> None:
        self.modes: list[tuple[str, int, InterruptMode]] = []
        self.stopped = False

    @property
    def plan(self) -> MachinePlan:
        device = SimpleNamespace(device=SimpleNamespace(name=NIC), dma=SimpleNamespace(kind="direct"))
        return cast(MachinePlan, SimpleNamespace(config=SimpleNamespace(memory=512), devices=(device,)))

    def snapshot(self, label: int) -> Snapshot:
        return Snapshot(label, 1.5, (), (LineCount(NIC, 0, 1, "irqfd", 7, 0),))

    def set_interrupt_mode(self, device: str, line: int, mode: InterruptMode) -> None:
        if device != NIC:
            raise DeviceError("setting the interrupt mode", device=device, answer="the VM has no such line")
        self.modes.append((device, line, mode))

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def files(tmp_path: Path) -> HostFiles:
    return HostFiles(tmp_path)


@pytest.fixture
def directory(files: HostFiles) -> Path:
    return files.run / "midway" / "vms"


@pytest.fixture
def guest() -> Guest:
    return Guest()


@pytest.fixture
def vm(guest: Guest, directory: Path) -> Iterator[RunningVm]:
    with ControlSocket(guest, directory) as control_socket:
        yield RunningVm(control_socket.path)


def say(path: Path, data: bytes) -> Any:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(data)
        return json.loads(client.recv(1 << 16) or b"null")


def test_a_vm_tells_its_threads_its_devices_and_their_lines(vm: RunningVm) -> None:
    status = vm.status()
    assert (status.pid, status.vcpus, status.memory) == (os.getpid(), (101, 102), 512)
    (line,) = status.lines_of(NIC)
    assert (line.spi, line.mode, line.host) == (1, InterruptMode.IRQFD, 7)


def test_the_vm_that_has_a_device_is_found(vm: RunningVm, files: HostFiles) -> None:
    assert vm_with(NIC, files)[0] == vm
    with pytest.raises(DeviceError, match="no running VM has it"):
        vm_with("other", files)


def test_the_mode_of_a_line_is_set(vm: RunningVm, guest: Guest) -> None:
    assert vm.ask("set-mode", device=NIC, line=0, mode="forward") == {}
    assert guest.modes == [(NIC, 0, InterruptMode.FORWARD)]


def test_what_the_vm_refuses_is_an_error_with_its_words(vm: RunningVm) -> None:
    with pytest.raises(HostError, match="the VM has no such line"):
        vm.ask("set-mode", device="other", mode="irqfd")


def test_the_vm_is_stopped(vm: RunningVm, guest: Guest) -> None:
    vm.ask("stop")
    assert guest.stopped


def test_several_requests_go_over_one_connection(vm: RunningVm) -> None:
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answers:
        client.connect(str(vm.path))
        client.sendall(b'{"request":"counters"}\n{"request":"status"}\n')
        assert json.loads(answers.readline())["answer"]["seconds"] == 1.5
        assert json.loads(answers.readline())["answer"]["memory"] == 512


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{", b"[]", b'{"request":"nothing"}', b'{"request":"status","more":1}', b"\xff", b"[" * 4000),
        b'{"more":' + b"[" * 4000,
        b'{"request":"\xff"}',
    ],
)
def test_what_is_no_request_is_answered_with_an_error(vm: RunningVm, line: bytes) -> None:
    assert "no request" in say(vm.path, line + b"\n")["error"]
    assert vm.status().memory == 512


def test_a_line_without_end_is_refused(vm: RunningVm) -> None:
    assert "at most" in say(vm.path, b" " * (LONGEST_LINE + 1))["error"]


def test_a_request_of_4096_bytes_is_answered_and_one_that_is_longer_is_not(vm: RunningVm) -> None:
    longest = b'{"request":"status"}'.ljust(4096)
    assert say(vm.path, longest + b"\n")["answer"]["memory"] == 512
    assert "at most 4096 bytes" in say(vm.path, longest + b" \n")["error"]


def test_a_request_that_fails_in_a_way_nobody_thought_of_leaves_the_others_their_answers(
    vm: RunningVm, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no reason")

    monkeypatch.setattr(guest, "stop", fail)
    with pytest.raises(HostError, match="no reason"):
        vm.ask("stop")
    assert vm.status().memory == 512


def test_others_than_root_and_the_vms_user_get_no_answer(
    vm: RunningVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_may_control", lambda _: False)
    with pytest.raises(HostError):
        vm.status()


def test_the_directory_is_its_owners_alone_and_the_socket_goes_with_the_vm(
    guest: Guest, directory: Path
) -> None:
    with ControlSocket(guest, directory):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert [path.suffix for path in directory.iterdir()] == [".sock"]
    assert list(directory.iterdir()) == []


def test_two_vms_of_one_process_have_a_socket_each(guest: Guest, directory: Path, files: HostFiles) -> None:
    with ControlSocket(guest, directory), ControlSocket(guest, directory):
        assert len(list(running_vms(files))) == 2


def test_the_socket_of_a_killed_vm_is_passed_over_and_removed_by_the_next(
    guest: Guest, directory: Path, files: HostFiles
) -> None:
    child = os.fork()
    if child == 0:
        ControlSocket(guest, directory).__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    left = directory / f"{child}.sock"
    assert left.exists()
    assert list(running_vms(files)) == []
    with ControlSocket(guest, directory):
        assert not left.exists()


def test_a_directory_that_cannot_be_made_is_an_error(guest: Guest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="control socket"), ControlSocket(guest, tmp_path / "file" / "vms"):
        pass


def test_a_client_that_waits_does_not_keep_the_vm_from_ending(guest: Guest, directory: Path) -> None:
    with ControlSocket(guest, directory) as control_socket, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(control_socket.path))
    assert not control_socket.path.exists()


def test_its_directory_is_its_owners_whatever_the_umask(guest: Guest, directory: Path) -> None:
    before = os.umask(0)
    try:
        with ControlSocket(guest, directory):
            modes = [stat.S_IMODE(place.stat().st_mode) for place in (directory.parent, directory)]
    finally:
        os.umask(before)
    assert modes == [0o700, 0o700]


def test_a_link_in_place_of_its_directory_is_not_followed(
    guest: Guest, directory: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "other.sock").touch()
    directory.parent.mkdir(parents=True)
    directory.symlink_to(elsewhere)
    with pytest.raises(HostError, match="is no directory of this user"), ControlSocket(guest, directory):
        pass
    assert (elsewhere / "other.sock").exists()
    assert stat.S_IMODE(elsewhere.stat().st_mode) != 0o700
