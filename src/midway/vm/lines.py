# SPDX-License-Identifier: Apache-2.0
"""Interrupts of assigned devices: from VFIO's eventfds to the guest's GIC, in the mode the plan names."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from midway.config import InterruptMode
from midway.errors import DeviceError, KernelError
from midway.findings import Finding, Severity
from midway.kernel.eventfd import EventFd
from midway.kernel.irq_set import Action
from midway.kernel.kvm import Vm
from midway.kernel.vfio_device import Device, Forwarding
from midway.passthrough.routes import LineRoute
from midway.uapi import vfio, vfio_forward
from midway.vm.events import EventLoop

__all__ = ["AssignedLine"]


class AssignedLine:
    """One line, connected while the context lasts; `events` has stopped before it ends.

    irqfd, level: the host's interrupt -> VFIO masks the line and signals the trigger -> KVM raises the SPI;
    the guest's EOI -> KVM lowers it and signals the completion -> VFIO unmasks.  Nothing of it is ours.
    forward: connected like irqfd, but the driver keeps the interrupt from going that way: it gives it to the
    guest's GIC, and the guest's EOI ends it.  What is connected is there for the time before and after.
    userspace, level: the trigger wakes us, and we raise the SPI; the completion wakes us, and we unmask.
    Edge: VFIO masks nothing, so there is nothing to complete.
    """

    def __init__(self, vm: Vm, device: Device, route: LineRoute, events: EventLoop) -> None:
        self.route = route
        self.device = device
        self.handled = 0  # how many went through this process
        self.mode = route.mode
        self._vm = vm
        self._index = route.line.index
        self._is_level = route.line.trigger.is_level
        self._events = events
        self._resources = ExitStack()
        self._wiring = ExitStack()  # what leads from the eventfds to the guest and back
        self._lock = threading.Lock()  # between changes of the mode and what the event loop calls
        self._is_here: bool | None = None  # whether it leads through this process, None while nowhere
        self._unavailable: KernelError | None = None
        self._check()

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            self._trigger, self._completion, self._storm = (
                resources.enter_context(EventFd(self._vm.calls, device=self.device.name)) for _ in range(3)
            )
            resources.callback(self._disconnect)
            self._is_here = self.mode is InterruptMode.USERSPACE
            self._connect(here=self._is_here)
            # Behind the wiring, because from here on the line may fire: everything is in place.
            self._request()
            resources.callback(self._release)
            if self.mode is InterruptMode.FORWARD:
                self._forward_if_possible()
            self._resources = resources.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def set_mode(self, mode: InterruptMode) -> None:
        """Change the mode while the guest runs; interrupts under way are neither lost nor stuck.

        Raises KernelError when the kernel does not take the line into that mode; it keeps the one it had.
        """
        with self._lock:
            try:
                if mode is InterruptMode.IRQFD and self.mode is InterruptMode.FORWARD:
                    self.device.stop_forwarding(self._index)
                self._reconnect(mode)
                if mode is InterruptMode.FORWARD:
                    self._forward()
            except BaseException:
                self._restore()
                raise
            self.mode = mode

    def host_count(self) -> int | None:
        """How many interrupts the host took on this line; None where the driver does not count them."""
        if not self.device.has_feature(
            vfio_forward.VFIO_FORWARD_FEATURE_COUNTERS, vfio.VFIO_DEVICE_FEATURE_GET
        ):
            return None
        return self.device.counters(self._index).delivered

    def forwarding(self) -> Forwarding | None:
        """How the driver forwards the line; None where it cannot."""
        if not self._is_level or not self.device.has_feature(
            vfio_forward.VFIO_FORWARD_FEATURE_FORWARD, vfio.VFIO_DEVICE_FEATURE_GET
        ):
            return None
        return self.device.forwarding(self._index)

    def findings(self) -> Iterator[Finding]:
        """What is to be said of how the line came to be connected, and of its interrupts so far."""
        if self._unavailable is not None:
            yield Finding(
                code="forward-unavailable",
                severity=Severity.WARNING,
                subject=self.device.name,
                cause=f"line {self._index} is not forwarded but in mode {self.mode}, where every interrupt "
                f"has another exit: {self._unavailable.answer}",
                remedy=self._unavailable.remedy or "",
            )
        forwarding = self.forwarding()
        if forwarding is None:
            return
        if forwarding.storms:
            yield Finding(
                code="forward-storm",
                severity=Severity.WARNING,
                subject=self.device.name,
                cause=f"line {self._index} stormed and went back to mode irqfd ({forwarding.storms} times): "
                "the guest completes its interrupts before the device is quiet",
                remedy="correct the guest's driver, or set irq=irqfd",
            )
        if forwarding.early:
            yield Finding(
                code="forward-early",
                severity=Severity.NOTE,
                subject=self.device.name,
                cause=f"{forwarding.early} of {forwarding.forwarded} interrupts of line {self._index} came "
                "while the guest had disabled it, as with handlers in threads: each is one too many",
            )

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

    def _forward_if_possible(self) -> None:
        """Where forwarding is only the default, irqfd takes its place, and `findings` says so."""
        try:
            self._forward()
        except KernelError as error:
            if self.route.asked:
                raise
            self._unavailable = error
            self.mode = InterruptMode.IRQFD

    def _forward(self) -> None:
        self._events.watch(self._storm.fd, self._stormed)
        self.device.forward(self._index, self.route.spi, notify=self._storm.fd)

    def _stormed(self) -> None:
        with self._lock:
            # The signal may be of a storm before the line was forwarded anew: to read it away first would not
            # help, as the driver sends it only after it has let go of its lock.  What the driver says is of
            # now, while our lock keeps the line from being forwarded anew; a later storm signals again.
            if (
                self._storm.drain()
                and self.mode is InterruptMode.FORWARD
                and self.device.forwarding(self._index).stormed
            ):
                self.mode = InterruptMode.IRQFD

    def _reconnect(self, mode: InterruptMode) -> bool:
        """Lead a line that may fire already another way, where `mode` needs that; whether it does."""
        here = mode is InterruptMode.USERSPACE
        if here is self._is_here:
            return False
        # Ends a forwarding at once.  KVM lowers the SPI when an irqfd goes, and with it an interrupt that was
        # forwarded and not yet taken; nobody would complete that.
        self._release()
        self._is_here = None
        self._disconnect()
        self._connect(here=here)
        self._request()
        if self._is_level:
            # Whoever would have unmasked the line is gone.  If it is still asserted, it fires again.
            self.device.unmask(self._index)
        self._is_here = here
        return True

    def _restore(self) -> None:
        """After a change that failed: the line is connected as its mode says."""
        before = self.mode
        if self._reconnect(before) and before is InterruptMode.FORWARD:
            self.mode = InterruptMode.IRQFD  # until it is forwarded again
            self._forward()
            self.mode = before

    def _connect(self, *, here: bool) -> None:
        """Lead the eventfds through the kernel, or through this process."""
        with ExitStack() as wiring:
            if here:
                self._connect_here(wiring)
            else:
                self._connect_kernel(wiring)
            self._wiring = wiring.pop_all()

    def _request(self) -> None:
        self.device.set_irqs(Action.TRIGGER, self._index, eventfds=[self._trigger.fd])

    def _release(self) -> None:
        self.device.set_irqs(Action.TRIGGER, self._index, count=0)

    def _disconnect(self) -> None:
        self._wiring.close()

    def _connect_kernel(self, wiring: ExitStack) -> None:
        self._vm.attach_irqfd(
            self._trigger.fd, self.route.spi, self._completion.fd if self._is_level else None
        )
        wiring.callback(self._vm.detach_irqfd, self._trigger.fd, self.route.spi)
        if self._is_level:
            self.device.set_irqs(Action.UNMASK, self._index, eventfds=[self._completion.fd])
            wiring.callback(self.device.set_irqs, Action.UNMASK, self._index, eventfds=[-1])

    def _connect_here(self, wiring: ExitStack) -> None:
        self._watch(wiring, self._trigger, self._raise)
        if self._is_level:
            # An irqfd that nobody signals: only its completion is wanted.
            unused = wiring.enter_context(EventFd(self._vm.calls, device=self.device.name))
            self._vm.attach_irqfd(unused.fd, self.route.spi, self._completion.fd)
            wiring.callback(self._vm.detach_irqfd, unused.fd, self.route.spi)
            self._watch(wiring, self._completion, self._complete)

    def _watch(self, wiring: ExitStack, eventfd: EventFd, call: Callable[[], None]) -> None:
        self._events.watch(eventfd.fd, call)
        wiring.callback(self._events.forget, eventfd.fd)

    def _raise(self) -> None:
        with self._lock:
            if self._is_here and self._trigger.drain():
                self.handled += 1
                self._vm.set_line(self.route.spi, True)
                if not self._is_level:
                    self._vm.set_line(self.route.spi, False)

    def _complete(self) -> None:
        with self._lock:
            if self._is_here and self._completion.drain():
                self.device.unmask(self._index)
