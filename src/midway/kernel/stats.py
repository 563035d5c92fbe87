# SPDX-License-Identifier: Apache-2.0
"""KVM's binary statistics of a VM or vCPU (Documentation/virt/kvm/api.rst, KVM_GET_STATS_FD)."""

import struct

from midway.errors import KernelError
from midway.kernel.handle import Handle
from midway.kernel.syscalls import SystemCalls
from midway.uapi import kvm

__all__ = ["Stats"]


class Stats(Handle):
    """The scalar statistics by name: counts since the VM began, and values of the moment."""

    def __init__(self, calls: SystemCalls, fd: int) -> None:
        super().__init__(calls, fd)
        with self.closing_on_failure():
            self._describe()

    def _describe(self) -> None:
        header = self._at(0, kvm.STATS_HEADER.size)
        name_size = kvm.STATS_HEADER.get(header, "name_size")
        stride = kvm.STATS_DESC.size + name_size
        count = kvm.STATS_HEADER.get(header, "num_desc")
        descriptors = self._at(kvm.STATS_HEADER.get(header, "desc_offset"), count * stride)
        self._data = kvm.STATS_HEADER.get(header, "data_offset")
        self._offsets: dict[str, int] = {}
        self._end = 0
        for at in range(0, len(descriptors), stride):
            size = kvm.STATS_DESC.get(descriptors, "size", at=at)
            offset = kvm.STATS_DESC.get(descriptors, "offset", at=at)
            self._end = max(self._end, offset + 8 * size)
            if size == 1:
                name = descriptors[at + kvm.STATS_DESC.size : at + stride].split(b"\0", 1)[0].decode("ascii")
                self._offsets[name] = offset

    def read(self) -> dict[str, int]:
        data = self._at(self._data, self._end)
        return {name: struct.unpack_from("=Q", data, offset)[0] for name, offset in self._offsets.items()}

    def _at(self, offset: int, size: int) -> bytes:
        data = self.attempt("reading KVM's statistics", lambda: self.calls.pread(self.fd, size, offset))
        if len(data) != size:
            raise KernelError("reading KVM's statistics", 0)
        return data
