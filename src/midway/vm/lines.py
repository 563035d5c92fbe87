# SPDX-License-Identifier: Apache-2.0
"""Interrupts of assigned devices: from VFIO's eventfds to the guest's GIC, in the mode the plan names."""

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from midway.config import InterruptMode
from midway.errors import DeviceError
from midway.kernel.eventfd import EventFd
from midway.kernel.irq_set import Action
from midway.kernel.kvm import Vm
from midway.kernel.vfio_device import Device
from midway.passthrough.routes import LineRoute
from midway.uapi import vfio, vfio_forward
from midway.vm.events import EventLoop

__all__ = ["AssignedLine"]


class AssignedLine:
    """One line, connected while the context lasts; `events` has stopped before it ends.

    irqfd, level: the host's interrupt -> VFIO masks the line and signals `trigger` -> KVM raises the SPI;
    the guest's EOI -> KVM lowers it and signals `resample` -> VFIO unmasks.  Nothing of it is ours.
    userspace, level: `trigger` wakes us, and we raise the SPI; `resample` wakes us, and we unmask.
    Edge: VFIO masks nothing, so there is nothing to complete.
    """

    def __init__(self, vm: Vm, device: Device, route: LineRoute, events: EventLoop) -> None:
        self.route = route
        self.device = device
        self.handled = 0  # how many went through this process
        self._vm = vm
        self._index = route.line.index
        self._is_level = route.line.trigger.is_level
        self._events = events
        self._resources = ExitStack()
        self._check()

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            trigger = resources.enter_context(EventFd(self._vm.calls, device=self.device.name))
            completion = resources.enter_context(EventFd(self._vm.calls, device=self.device.name))
            if self.route.mode is InterruptMode.IRQFD:
                self._connect_kernel(resources, trigger, completion)
            else:
                self._connect_here(resources, trigger, completion)
            # Last, because from here on the line may fire: everything behind it is in place.
            self.device.set_irqs(Action.TRIGGER, self._index, eventfds=[trigger.fd])
            resources.callback(self.device.set_irqs, Action.TRIGGER, self._index, count=0)
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def host_count(self) -> int | None:
        """How many interrupts the host took on this line; None where the driver does not count them."""
        if not self.device.has_feature(
            vfio_forward.VFIO_FORWARD_FEATURE_COUNTERS, vfio.VFIO_DEVICE_FEATURE_GET
        ):
            return None
        return self.device.counters(self._index).delivered

    def _check(self) -> None:
        info = self.device.line(self._index)
        if not info.eventfd or info.count < 1:
            raise self._refusal("VFIO has no eventfd for it")
        if info.automasked != self._is_level:
            kinds = {True: "level", False: "edge"}
            tree, kernel = kinds[self._is_level], kinds[info.automasked]
            raise self._refusal(f"it is {tree} in the device tree and {kernel} for VFIO")

    def _refusal(self, answer: str) -> DeviceError:
        return DeviceError(f"using line {self._index}", device=self.device.name, answer=answer)

    def _connect_kernel(self, resources: ExitStack, trigger: EventFd, completion: EventFd) -> None:
        self._vm.attach_irqfd(trigger.fd, self.route.spi, completion.fd if self._is_level else None)
        resources.callback(self._vm.detach_irqfd, trigger.fd, self.route.spi)
        if self._is_level:
            self.device.set_irqs(Action.UNMASK, self._index, eventfds=[completion.fd])
            resources.callback(self.device.set_irqs, Action.UNMASK, self._index, eventfds=[-1])

    def _connect_here(self, resources: ExitStack, trigger: EventFd, completion: EventFd) -> None:
        self._events.watch(trigger.fd, lambda: self._raise(trigger))
        if self._is_level:
            # An irqfd that nobody signals: only its completion is wanted.
            unused = resources.enter_context(EventFd(self._vm.calls, device=self.device.name))
            self._vm.attach_irqfd(unused.fd, self.route.spi, completion.fd)
            resources.callback(self._vm.detach_irqfd, unused.fd, self.route.spi)
            self._events.watch(completion.fd, lambda: self._complete(completion))

    def _raise(self, trigger: EventFd) -> None:
        if trigger.drain():
            self.handled += 1
            self._vm.set_line(self.route.spi, True)
            if not self._is_level:
                self._vm.set_line(self.route.spi, False)

    def _complete(self, completion: EventFd) -> None:
        if completion.drain():
            self.device.unmask(self._index)
