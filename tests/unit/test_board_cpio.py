# SPDX-License-Identifier: Apache-2.0
"""Archives are what cpio itself reads, and initramfs images hold what an init script needs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from midway.board.cpio import CpioArchive
from midway.board.initramfs import build_initramfs
from midway.errors import ImageError

KERNEL = "6.1.0-1-arm64"


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and content by name, read as the kernel reads a newc archive."""
    found: dict[str, tuple[int, bytes]] = {}
    position = 0
    while True:
        assert archive[position : position + 6] == b"070701"
        fields = [int(archive[at : at + 8], 16) for at in range(position + 6, position + 110, 8)]
        name_size, size = fields[11], fields[6]
        name = archive[position + 110 : position + 110 + name_size - 1].decode()
        start = (position + 110 + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert start == len(archive)
            return found
        found[name] = (fields[1], archive[start : start + size])
        position = (start + size + 3) // 4 * 4


@pytest.fixture
def root(tmp_path: Path) -> Path:
    modules = tmp_path / "usr/lib/modules" / KERNEL
    (modules / "kernel").mkdir(parents=True)
    for name in ("macb", "phylink", "libphy", "virtio-blk"):
        (modules / f"kernel/{name}.ko").write_bytes(name.encode())
    (modules / "modules.dep").write_text(
        "kernel/macb.ko: kernel/phylink.ko kernel/libphy.ko\n"
        "kernel/phylink.ko: kernel/libphy.ko\n"
        "kernel/libphy.ko:\n"
        "kernel/virtio-blk.ko:\n"
    )
    (modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio.ko\n")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/busybox").write_bytes(b"busybox")
    return tmp_path


def test_parents_come_before_their_files_and_once() -> None:
    archive = CpioArchive()
    archive.file("/a/b/one", b"1")
    archive.file("/a/b/two", b"22", 0o755)
    assert list(entries(archive.as_bytes())) == ["a", "a/b", "a/b/one", "a/b/two"]
    assert entries(archive.as_bytes())["a/b/two"] == (0o100755, b"22")


def test_cpio_unpacks_an_archive(tmp_path: Path) -> None:
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not installed")
    archive = CpioArchive()
    archive.file("/etc/name", b"content", 0o640)
    archive.symlink("/etc/link", "name")
    command = ["cpio", "--extract", "--quiet", "--make-directories"]
    subprocess.run(command, input=archive.as_bytes(), cwd=tmp_path, check=True)
    assert (tmp_path / "etc/link").read_bytes() == b"content"
    assert (tmp_path / "etc/name").stat().st_mode & 0o777 == 0o640


def test_modules_are_listed_after_all_they_need_and_built_in_ones_not_at_all(root: Path) -> None:
    found = entries(build_initramfs(root, KERNEL, ["macb", "virtio", "virtio_blk"], "#!/bin/sh\n", {}))
    names = ["libphy", "phylink", "macb", "virtio-blk"]
    assert found["modules.list"][1].decode().split() == [f"/modules/{name}.ko" for name in names]
    assert found["modules/macb.ko"][1] == b"macb"


def test_an_initramfs_holds_its_init_and_the_files_given(root: Path) -> None:
    tool = root / "tool"
    tool.write_bytes(b"program")
    tool.chmod(0o755)
    found = entries(build_initramfs(root, KERNEL, [], "#!/bin/sh\n", {"/bin/tool": tool, "/etc/x": b"y"}))
    assert found["init"] == (0o100755, b"#!/bin/sh\n")
    assert found["bin/tool"] == (0o100755, b"program")
    assert found["etc/x"] == (0o100644, b"y")


def test_a_module_that_the_kernel_does_not_have_is_an_error(root: Path) -> None:
    with pytest.raises(ImageError, match=r"kernel 6\.1\.0-1-arm64 has no module called warp_drive"):
        build_initramfs(root, KERNEL, ["warp_drive"], "", {})


def test_a_kernel_that_the_root_does_not_have_is_an_error(root: Path) -> None:
    with pytest.raises(ImageError, match=r"cannot read the modules of kernel 9\.9"):
        build_initramfs(root, "9.9", [], "", {})
