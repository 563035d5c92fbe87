# SPDX-License-Identifier: Apache-2.0
"""C structures as declarations: offsets and size by natural alignment, packed into mutable buffers."""

import struct
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["S16", "S32", "U8", "U16", "U32", "U64", "Field", "Layout", "io", "ior", "iow", "iowr"]

U8, U16, U32, U64 = "B", "H", "I", "Q"
S16, S32 = "h", "i"

Value = int | Sequence[int]
Buffer = bytearray | memoryview

_WRITE, _READ = 1, 2


class Field:
    """One member: `name` as a C expression below the structure ("mmio.len"), offset and size in bytes."""

    __slots__ = ("codec", "count", "name", "offset", "size")

    def __init__(self, name: str, code: str, count: int, offset: int) -> None:
        self.name = name
        self.count = count
        self.offset = offset
        self.codec = struct.Struct(f"={count}{code}")
        self.size = self.codec.size


class Layout:
    """A C structure: `tag` as C writes it, then (name, type) or (name, type, count) for each member.

    A count of 0 declares a flexible array's place.  With `partial`, members may be left out and each is given
    as (name, type, count, offset); only offsets are claimed then, and `size` is what the given members span.
    """

    __slots__ = ("fields", "partial", "size", "tag")

    def __init__(
        self,
        tag: str,
        *members: tuple[str, str] | tuple[str, str, int] | tuple[str, str, int, int],
        partial: bool = False,
    ) -> None:
        self.tag = tag
        self.partial = partial
        self.fields: dict[str, Field] = {}
        end = 0
        widest = 1
        for name, code, *rest in members:
            count = rest[0] if rest else 1
            width = struct.calcsize("=" + code)
            offset = rest[1] if len(rest) > 1 else -(-end // width) * width
            member = Field(name, code, count, offset)
            self.fields[name] = member
            end = max(end, offset + member.size)
            widest = max(widest, width)
        self.size = -(-end // widest) * widest

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields.values())

    def pack(self, values: Mapping[str, Value] | None = None, **more: Value) -> bytearray:
        """A zeroed structure with the given members set; an array takes a sequence of its length."""
        buffer = bytearray(self.size)
        for name, value in {**(values or {}), **more}.items():
            self.put(buffer, name, value)
        return buffer

    def put(self, buffer: Buffer, name: str, value: Value) -> None:
        member = self.fields[name]
        items = (value,) if isinstance(value, int) else tuple(value)
        member.codec.pack_into(buffer, member.offset, *items)

    def get(self, buffer: Buffer | bytes, name: str, *, at: int = 0) -> int:
        """The value of a scalar member of the structure at byte `at` of `buffer`."""
        member = self.fields[name]
        value: int = member.codec.unpack_from(buffer, at + member.offset)[0]
        return value

    def get_array(self, buffer: Buffer | bytes, name: str, *, at: int = 0) -> tuple[int, ...]:
        member = self.fields[name]
        return member.codec.unpack_from(buffer, at + member.offset)


def _number(direction: int, kind: int, number: int, size: int) -> int:
    """An ioctl's number (include/uapi/asm-generic/ioctl.h, the same on arm64 and x86)."""
    return direction << 30 | size << 16 | kind << 8 | number


def io(kind: int, number: int) -> int:
    return _number(0, kind, number, 0)


def ior(kind: int, number: int, layout: Layout) -> int:
    return _number(_READ, kind, number, layout.size)


def iow(kind: int, number: int, layout: Layout) -> int:
    return _number(_WRITE, kind, number, layout.size)


def iowr(kind: int, number: int, layout: Layout) -> int:
    return _number(_READ | _WRITE, kind, number, layout.size)
