# SPDX-License-Identifier: Apache-2.0
"""Writes archives in the "newc" format that Linux unpacks as an initramfs (Documentation/driver-api/early-
userspace).
"""

import stat
from pathlib import PurePosixPath

__all__ = ["CpioArchive"]

_TRAILER = "TRAILER!!!"


class CpioArchive:
    """An archive in memory.  Parent directories are made as needed; everything belongs to root.

    Archives may be concatenated: later ones add to and replace files of earlier ones.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._inode = 0
        self._directories: set[PurePosixPath] = {PurePosixPath()}

    def directory(self, path: str, mode: int = 0o755) -> None:
        name = _relative(path)
        if name not in self._directories:
            self._parents(name)
            self._directories.add(name)
            self._entry(str(name), stat.S_IFDIR | mode, b"")

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        name = _relative(path)
        self._parents(name)
        self._entry(str(name), stat.S_IFREG | mode, content)

    def symlink(self, path: str, target: str) -> None:
        name = _relative(path)
        self._parents(name)
        self._entry(str(name), stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path: str, major: int, minor: int, mode: int = 0o600) -> None:
        name = _relative(path)
        self._parents(name)
        self._entry(str(name), stat.S_IFCHR | mode, b"", device=(major, minor))

    def as_bytes(self) -> bytes:
        """The finished archive, its length a multiple of four."""
        return b"".join([*self._parts, _encode(_TRAILER, 0, 0, b"", (0, 0))])

    def _parents(self, name: PurePosixPath) -> None:
        for parent in reversed(name.parents):
            self.directory(str(parent))

    def _entry(self, name: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        self._parts.append(_encode(name, self._inode, mode, content, device))


def _relative(path: str) -> PurePosixPath:
    return PurePosixPath(path.lstrip("/"))


def _encode(name: str, inode: int, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    # inode, mode, uid, gid, links, mtime, size, device of the file (2), device it is (2), name size, check
    fields = (inode, mode, 0, 0, links, 0, len(content), 0, 0, *device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + encoded) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
