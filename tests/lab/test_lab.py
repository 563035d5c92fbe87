# SPDX-License-Identifier: Apache-2.0
"""Promises of the lab itself, kept on real emulated boards."""

import hashlib
import os
import select
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from midway.errors import BoardLostError, LabError
from midway.lab import HOST_ADDRESS, RunningBoard, board_named, start_board
from midway.lab.server import DownloadServer

MEBIBYTE = 1 << 20


def midway(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "midway", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def fetch_from(server: DownloadServer) -> list[str]:
    return ["busybox", "wget", "-q", "-O", "-", f"http://{HOST_ADDRESS}:{server.port}/blob"]


def test_each_board_has_kvm_and_a_huge_page(each_board: RunningBoard) -> None:
    assert each_board.run(["test", "-c", "/dev/kvm"]).status == 0
    pages = each_board.get("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages")
    assert pages == b"1\n"


def test_a_gicv2_board_has_kvm(virt_gicv2: RunningBoard) -> None:
    assert virt_gicv2.run(["test", "-c", "/dev/kvm"]).status == 0


def test_each_board_has_the_driver_loaded(each_board: RunningBoard) -> None:
    loaded = [line.split()[0] for line in each_board.get("/proc/modules").decode().splitlines()]
    assert "vfio_forward" in loaded


def test_a_disk_of_the_virt_board_is_behind_the_smmu_and_another_is_not(virt: RunningBoard) -> None:
    devices = virt.run(["sh", "-c", "ls /sys/kernel/iommu_groups/*/devices"], check=True).text.split()
    assert devices == ["a001000.virtio_mmio"]
    assert virt.run(["test", "-e", "/sys/bus/platform/devices/a000000.virtio_mmio"]).status == 0


def test_virtio_lines_of_the_virt_board_are_level_triggered(virt: RunningBoard) -> None:
    lines = [line for line in virt.get("/proc/interrupts").decode().splitlines() if "virtio" in line]
    assert lines
    assert all("Level" in line for line in lines)


def test_an_exit_status_comes_back(versal: RunningBoard) -> None:
    assert versal.run(["sh", "-c", "exit 77"]).status == 77


def test_a_command_that_is_killed_is_told_from_one_that_fails(versal: RunningBoard) -> None:
    assert versal.run(["sh", "-c", "kill -TERM $$"]).status == -signal.SIGTERM


def test_a_command_that_does_not_exist_is_an_error_with_the_boards_answer(versal: RunningBoard) -> None:
    with pytest.raises(LabError, match=r"cannot run no-such-command on the board: .*No such file"):
        versal.run(["no-such-command"])


def test_the_two_output_streams_stay_apart(versal: RunningBoard) -> None:
    done = versal.run(["sh", "-c", "echo out; echo err >&2"])
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_megabytes_go_through_a_command_intact(versal: RunningBoard) -> None:
    data = os.urandom(8 * MEBIBYTE)
    done = versal.run(["cat"], stdin=data, timeout=120)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_files_go_to_the_board_and_back_intact(versal: RunningBoard) -> None:
    data = os.urandom(4 * MEBIBYTE + 1)
    versal.put("/tmp/file", data, mode=0o751)  # noqa: S108
    assert versal.get("/tmp/file") == data  # noqa: S108
    assert versal.run(["stat", "-c", "%a", "/tmp/file"]).text == "751\n"  # noqa: S108


def test_a_file_that_is_not_there_is_an_error(versal: RunningBoard) -> None:
    with pytest.raises(LabError, match="cannot read /no/such/file on the board"):
        versal.get("/no/such/file")


def test_two_commands_run_at_once(versal: RunningBoard) -> None:
    # Each waits for what the other sends through a named pipe: one after the other they would never end.
    versal.run(["sh", "-c", "rm -f /tmp/a /tmp/b; mkfifo /tmp/a /tmp/b"], check=True)
    first = versal.start(["sh", "-c", "echo one > /tmp/a; cat /tmp/b"])
    second = versal.start(["sh", "-c", "cat /tmp/a; echo two > /tmp/b"])
    assert second.communicate(60).text == "one\n"
    assert first.communicate(60).text == "two\n"


def test_output_is_seen_while_the_command_still_runs(versal: RunningBoard) -> None:
    process = versal.start(["sh", "-c", "echo ready; read answer; echo got $answer"])
    lines = process.lines(60)
    assert next(lines) == "ready"
    process.write(b"it\n")
    assert next(lines) == "got it"
    assert list(lines) == []
    assert process.status == 0


def test_a_command_that_takes_too_long_is_ended(versal: RunningBoard) -> None:
    with pytest.raises(TimeoutError):
        versal.run(["sleep", "1000"], timeout=1)
    assert versal.run(["pgrep", "-x", "sleep"]).status == 1


def test_a_command_on_a_terminal_has_one_of_the_wanted_size(versal: RunningBoard) -> None:
    process = versal.start(["stty", "size"], terminal=(33, 101))
    assert process.communicate(60).text == "33 101\r\n"


def test_a_download_from_outside_arrives_whole(each_board: RunningBoard) -> None:
    with DownloadServer(MEBIBYTE) as server:
        fetched = each_board.run(fetch_from(server), check=True).stdout
    assert hashlib.sha256(fetched).hexdigest() == server.sha256


def test_midway_is_installed_on_the_board(versal: RunningBoard) -> None:
    assert versal.run(["midway", "--help"], check=True).text.startswith("usage: midway")


def test_a_killed_emulator_is_a_lost_board_for_all_who_use_it(no_board: None) -> None:  # noqa: ARG001
    with start_board(board_named("versal")) as board:
        running = board.start(["sleep", "1000"])
        board.kill()
        with pytest.raises(BoardLostError, match="the emulator has ended"):
            running.wait(60)
        with pytest.raises(BoardLostError):
            board.run(["true"])


def test_a_kernel_that_panics_is_a_lost_board_with_its_last_words(no_board: None) -> None:  # noqa: ARG001
    with start_board(board_named("versal")) as board, pytest.raises(BoardLostError) as caught:
        board.run(["sh", "-c", "echo c > /proc/sysrq-trigger"], timeout=120)
    assert "Kernel panic - not syncing: sysrq triggered crash" in str(caught.value)


def test_two_boards_run_at_once(no_board: None) -> None:  # noqa: ARG001
    with ExitStack() as stack:
        boards = [stack.enter_context(start_board(board_named(name))) for name in ("versal", "virt")]
        with DownloadServer(MEBIBYTE) as server:
            fetching = [board.start(fetch_from(server)) for board in boards]
            for process in fetching:
                assert hashlib.sha256(process.communicate(120).stdout).hexdigest() == server.sha256


def test_nothing_of_a_board_is_left_when_its_owner_is_killed_and_another_was_started(
    no_board: None,  # noqa: ARG001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = (
        "from midway.lab import board_named, start_board\n"
        "with start_board(board_named('versal')) as board:\n"
        "    print(board.machine.process_id, flush=True)\n"
        "    board.run(['sleep', '1000'])\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as owner:
        assert owner.stdout is not None
        emulator = os.pidfd_open(int(owner.stdout.readline()))
        try:
            owner.kill()
            # Readable once the process has ended.
            assert select.select([emulator], [], [], 60)[0] == [emulator]
        finally:
            os.close(emulator)
    assert len(list(tmp_path.iterdir())) == 1  # the killed one's
    with start_board(board_named("versal")) as board:
        assert list(tmp_path.iterdir()) == [board.images]
    assert list(tmp_path.iterdir()) == []


def test_lab_run_passes_status_output_and_input_on(no_board: None) -> None:  # noqa: ARG001
    done = midway("lab", "run", "--", "sh", "-c", "cat; echo problem >&2; exit 3", stdin=b"what came in")
    assert (done.returncode, done.stdout) == (3, b"what came in")
    assert done.stderr.endswith(b"problem\n")


def test_a_run_that_is_terminated_leaves_nothing(no_board: None, tmp_path: Path) -> None:  # noqa: ARG001
    command = [sys.executable, "-m", "midway", "lab", "run", "--", "sh", "-c", "echo up; sleep 1000"]
    scratch = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=scratch, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        run.terminate()
    assert run.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_lab_run_says_that_a_board_was_lost(no_board: None) -> None:  # noqa: ARG001
    done = midway("lab", "run", "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
    assert done.returncode == 125
    assert b"the board versal is lost" in done.stderr
    assert b"Traceback" not in done.stderr
