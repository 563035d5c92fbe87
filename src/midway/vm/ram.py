# SPDX-License-Identifier: Apache-2.0
"""Which memory a guest's RAM is made of.

Huge pages take the kernel long to clear, and images long to read, so this happens while the process does
something else.
"""

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from midway.board.memory import anonymous_banks
from midway.board.plan import Window
from midway.config import Backing, MachineConfig
from midway.errors import ConfigurationError
from midway.host.sysfs import HostFiles
from midway.kernel.memory import Extent, GuestMemory
from midway.kernel.syscalls import SystemCalls
from midway.vm.threads import start_thread

__all__ = ["GuestRam", "groups_of", "reserved_extents"]


class GuestRam:
    """A guest's RAM in the making: at its physical addresses if any device needs direct DMA.

    `groups` are the devices' IOMMU groups by name, None for a device without one; the board keeps the RAM
    clear of `keep_clear`.  `load` is called with it, to fill it.  Entering begins, `memory` waits for all of
    that.  Raises ConfigurationError at once; `memory` raises HostError, KernelError and what `load` raises.
    """

    def __init__(
        self,
        calls: SystemCalls,
        config: MachineConfig,
        groups: dict[str, int | None],
        keep_clear: Sequence[Extent] = (),
        load: Callable[[GuestMemory], object] = lambda _: None,
    ) -> None:
        direct = [name for name, group in groups.items() if group is None]
        if direct and config.backing is not Backing.AUTO and config.backing is not Backing.DIRECT:
            raise ConfigurationError(
                f"backing the guest's RAM with {config.backing} memory",
                device=direct[0],
                answer="it has no IOMMU, so the guest's RAM must lie at its physical addresses",
                remedy="leave out backing, or set it to direct",
            )
        self._calls = calls
        self._config = config
        self._is_direct = bool(direct) or config.backing is Backing.DIRECT
        self._keep_clear = keep_clear
        self._load = load
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._memory: GuestMemory | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread = start_thread("guest-ram", self._take)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait()
        if self._memory is not None:
            self._memory.close()

    def memory(self) -> GuestMemory:
        """The RAM; closed at the end of the context."""
        self._wait()
        if self._error is not None:
            raise self._error
        if self._memory is None:
            raise RuntimeError("the guest's RAM was not asked for")
        return self._memory

    def _wait(self) -> None:
        if self._thread is not None:
            # Not by join(), of which one that a signal's handler ended makes the next return at once.
            self._ended.wait()

    def _take(self) -> None:
        try:
            self._memory = self._allocate()
            self._load(self._memory)
        except BaseException as error:  # noqa: BLE001 - raised by `memory`, in the thread that wants it
            self._error = error
        finally:
            self._ended.set()

    def _allocate(self) -> GuestMemory:
        if self._is_direct:
            return GuestMemory.direct(self._calls, self._config.memory << 20)
        keep_clear = [Window(extent.address, extent.size) for extent in self._keep_clear]
        extents = [Extent(bank.address, bank.size) for bank in anonymous_banks(self._config, keep_clear)]
        if self._config.backing is Backing.HUGETLB:
            return GuestMemory.huge(self._calls, extents)
        return GuestMemory.anonymous(self._calls, extents)


def groups_of(files: HostFiles, names: Sequence[str]) -> dict[str, int | None]:
    """The IOMMU groups of those devices that are there."""
    if not names:
        return {}
    from midway.host.groups import iommu_group  # only here: a VM without devices has no need of it

    located = {name: files.locate(name) for name in names}
    return {name: iommu_group(files, place[1]) for name, place in located.items() if place is not None}


def reserved_extents(files: HostFiles, groups: Sequence[int | None]) -> tuple[Extent, ...]:
    """The addresses that IOMMU groups cannot translate (MSI doorbells, firmware's own)."""
    extents = []
    for number in sorted({number for number in groups if number is not None}):
        text = files.text(files.sys / "kernel" / "iommu_groups" / str(number) / "reserved_regions", 4096)
        for line in (text or "").splitlines():
            first, last = (int(word, 16) for word in line.split()[:2])
            extents.append(Extent(first, last - first + 1))
    return tuple(extents)
