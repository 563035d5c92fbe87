# SPDX-License-Identifier: Apache-2.0
"""Connecting interrupts: in which order, and who does what in which mode."""

import errno
import struct
from collections.abc import Callable
from itertools import count

import pytest

from midway.config import InterruptMode
from midway.devicetree.gic import Trigger
from midway.errors import DeviceError, KernelError
from midway.host.device import Line
from midway.kernel.irq_set import Action
from midway.kernel.kvm import Vm
from midway.kernel.vfio_device import Device
from midway.passthrough.routes import LineRoute
from midway.uapi import kvm, vfio, vfio_forward
from midway.vm.events import EventLoop
from midway.vm.lines import AssignedLine
from unit.fakes import FakeKernel

NAME = "ff0d0000.ethernet"
SPI = 7


class Events(EventLoop):
    """Calls what is watched when the test says so."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, call: Callable[[], None]) -> None:
        self.watched[fd] = call

    def forget(self, fd: int) -> None:
        del self.watched[fd]

    def fire(self, kernel: FakeKernel, fd: int) -> None:
        kernel.contents[fd] = (1).to_bytes(8, "little")
        self.watched[fd]()


@pytest.fixture
def kernel() -> FakeKernel:
    return FakeKernel()


@pytest.fixture
def events() -> Events:
    return Events()


def connect(
    kernel: FakeKernel,
    events: Events,
    mode: InterruptMode,
    trigger: Trigger,
    automasked: bool | None = None,
    asked: bool = True,
) -> AssignedLine:
    level = trigger.is_level if automasked is None else automasked

    def info(_: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        flags = vfio.VFIO_IRQ_INFO_EVENTFD | (vfio.VFIO_IRQ_INFO_AUTOMASKED if level else 0)
        vfio.IRQ_INFO.put(argument, "flags", flags)
        vfio.IRQ_INFO.put(argument, "count", 1)
        return 0

    kernel.ioctls[vfio.VFIO_DEVICE_GET_IRQ_INFO] = info
    vm = Vm(kernel, kernel.new_fd(), 0x1000)
    device = Device(kernel, kernel.new_fd(), NAME)
    line = Line(2, trigger, "/gic", (0, 58, 4), spi=58)
    return AssignedLine(vm, device, LineRoute(line, SPI, mode, asked=asked), events)


def steps(kernel: FakeKernel) -> list[tuple[object, ...]]:
    """What was told to KVM and VFIO since the beginning, readable."""
    found: list[tuple[object, ...]] = []
    for call in kernel.log:
        if call[0] != "ioctl":
            continue
        argument = call[3]
        assert isinstance(argument, bytes)
        if call[2] == kvm.KVM_IRQFD:
            fd, gsi, flags, resample = struct.unpack_from("=4I", argument)
            found.append(("irqfd", fd, gsi, flags, resample))
        elif call[2] == kvm.KVM_IRQ_LINE:
            found.append(("line", struct.unpack("=2I", argument)[1]))
        elif call[2] == vfio.VFIO_DEVICE_SET_IRQS:
            _, flags, index, _, count = struct.unpack_from("=5I", argument)
            action = Action(flags & vfio.VFIO_IRQ_SET_ACTION_TYPE_MASK)
            data = struct.unpack_from("=i", argument, 20)[0] if len(argument) > 20 else None
            found.append((action.name.lower(), index, count, data))
        elif call[2] == vfio.VFIO_DEVICE_FEATURE:
            data = bytearray(argument[vfio.FEATURE.size :])
            if len(data) == vfio_forward.ROUTE.size:
                fields = ("index", "flags", "spi")
                found.append(("forward", *(vfio_forward.ROUTE.get(data, name) for name in fields)))
    return found


def test_irqfd_and_level_the_trigger_comes_last_and_goes_first(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.IRQFD, Trigger.LEVEL_HIGH):
        connected = steps(kernel)
        trigger, resample = connected[0][1], connected[0][4]
        assert connected == [
            ("irqfd", trigger, SPI, kvm.KVM_IRQFD_FLAG_RESAMPLE, resample),
            ("unmask", 2, 1, resample),
            ("trigger", 2, 1, trigger),
        ]
    assert steps(kernel)[3:] == [
        ("trigger", 2, 0, None),
        ("unmask", 2, 1, -1),
        ("irqfd", trigger, SPI, kvm.KVM_IRQFD_FLAG_DEASSIGN, 0),
    ]
    assert events.watched == {}


def test_irqfd_and_edge_nothing_is_to_be_completed(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.IRQFD, Trigger.EDGE_RISING):
        (first, second) = steps(kernel)
    assert first[0] == "irqfd"
    assert first[3:] == (0, 0)
    assert second == ("trigger", 2, 1, first[1])


def test_userspace_and_level_raise_here_and_unmask_here(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.USERSPACE, Trigger.LEVEL_HIGH) as line:
        connected = steps(kernel)
        unused, completion = connected[0][1], connected[0][4]
        trigger = connected[1][3]
        assert set(events.watched) == {trigger, completion}
        assert unused not in events.watched
        assert isinstance(trigger, int)
        assert isinstance(completion, int)
        events.fire(kernel, trigger)
        assert steps(kernel)[2:] == [("line", 1)]
        events.fire(kernel, completion)
        assert steps(kernel)[3:] == [("unmask", 2, 1, None)]
        assert line.handled == 1


def test_userspace_and_edge_give_a_pulse(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.USERSPACE, Trigger.EDGE_RISING) as line:
        ((name, _, _, trigger),) = steps(kernel)
        assert name == "trigger"
        assert isinstance(trigger, int)
        events.fire(kernel, trigger)
        events.fire(kernel, trigger)
        assert steps(kernel)[1:] == [("line", 1), ("line", 0)] * 2
        assert line.handled == 2


@pytest.mark.parametrize("mode", list(InterruptMode))
def test_every_eventfd_is_closed(kernel: FakeKernel, events: Events, mode: InterruptMode) -> None:
    line = connect(kernel, events, mode, Trigger.LEVEL_HIGH)
    before = set(kernel.open_fds)
    with line:
        assert len(kernel.open_fds) > len(before)
    assert kernel.open_fds == before


def test_a_line_that_vfio_sees_otherwise_than_the_tree_is_refused(kernel: FakeKernel, events: Events) -> None:
    with pytest.raises(DeviceError, match="level in the device tree and edge for VFIO"):
        connect(kernel, events, InterruptMode.IRQFD, Trigger.LEVEL_HIGH, automasked=False)


def test_forward_is_irqfd_and_then_the_driver_is_told_the_spi(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.FORWARD, Trigger.LEVEL_HIGH) as line:
        names = [step[0] for step in steps(kernel)]
        assert names == ["irqfd", "unmask", "trigger", "forward"]
        assert steps(kernel)[-1] == ("forward", 2, vfio_forward.VFIO_FORWARD_ROUTE_WANTED, SPI)
        assert line.mode is InterruptMode.FORWARD
    assert [step[0] for step in steps(kernel)[4:]] == ["trigger", "unmask", "irqfd"]


def refuse_forwarding(kernel: FakeKernel, number: int) -> None:
    kernel.fails(vfio.VFIO_DEVICE_FEATURE, number)


def test_a_default_that_the_kernel_refuses_is_irqfd_and_a_finding_with_its_answer(
    kernel: FakeKernel, events: Events
) -> None:
    refuse_forwarding(kernel, errno.ENOTTY)
    with connect(kernel, events, InterruptMode.FORWARD, Trigger.LEVEL_HIGH, asked=False) as line:
        assert line.mode is InterruptMode.IRQFD
        (finding,) = line.findings()
    assert finding.code == "forward-unavailable"
    assert "ENOTTY" in finding.cause


def test_a_mode_that_was_asked_for_and_is_refused_is_an_error_and_nothing_stays_connected(
    kernel: FakeKernel, events: Events
) -> None:
    refuse_forwarding(kernel, errno.EOPNOTSUPP)
    line = connect(kernel, events, InterruptMode.FORWARD, Trigger.LEVEL_HIGH)
    before = set(kernel.open_fds)
    with pytest.raises(KernelError, match="not supported"), line:
        pass
    assert kernel.open_fds == before
    assert [step[0] for step in steps(kernel)[-3:]] == ["trigger", "unmask", "irqfd"]


def test_between_irqfd_and_forward_nothing_is_connected_anew(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.IRQFD, Trigger.LEVEL_HIGH) as line:
        before = len(steps(kernel))
        line.set_mode(InterruptMode.FORWARD)
        line.set_mode(InterruptMode.IRQFD)
        assert steps(kernel)[before:] == [("forward", 2, 1, SPI), ("forward", 2, 0, 0)]


def test_to_userspace_and_back_the_wiring_changes_and_the_line_is_unmasked(
    kernel: FakeKernel, events: Events
) -> None:
    with connect(kernel, events, InterruptMode.FORWARD, Trigger.LEVEL_HIGH) as line:
        before = len(steps(kernel))
        line.set_mode(InterruptMode.USERSPACE)
        found = steps(kernel)[before:]
        assert [step[0] for step in found] == ["trigger", "unmask", "irqfd", "irqfd", "trigger", "unmask"]
        assert found[-1] == ("unmask", 2, 1, None)
        line.set_mode(InterruptMode.FORWARD)
        found = steps(kernel)[before + len(found) :]
        assert [step[0] for step in found] == [
            "trigger",
            "irqfd",
            "irqfd",
            "unmask",
            "trigger",
            "unmask",
            "forward",
        ]
        assert found[-2] == ("unmask", 2, 1, None)
        assert line.mode is InterruptMode.FORWARD


def test_a_refused_change_leaves_the_mode_as_it_was(kernel: FakeKernel, events: Events) -> None:
    with connect(kernel, events, InterruptMode.USERSPACE, Trigger.LEVEL_HIGH) as line:
        refuse_forwarding(kernel, errno.EBUSY)
        watched = set(events.watched)
        with pytest.raises(KernelError, match="EBUSY"):
            line.set_mode(InterruptMode.FORWARD)
        assert line.mode is InterruptMode.USERSPACE
        assert watched <= set(events.watched)
        assert steps(kernel)[-1] == ("unmask", 2, 1, None)


def fail_one(kernel: FakeKernel, number: int) -> None:
    """Let one of the calls that connect fail; it has then done nothing."""
    left = [number]

    def answer(_: int, __: int | bytearray) -> int:
        left[0] -= 1
        if left[0] == -1:
            kernel.log.pop()
            raise OSError(errno.ENOMEM, "")
        return 0

    for request in (kvm.KVM_IRQFD, vfio.VFIO_DEVICE_SET_IRQS, vfio.VFIO_DEVICE_FEATURE):
        kernel.ioctls[request] = answer


def connections(kernel: FakeKernel, events: Events) -> dict[str, object]:
    """What is connected after all these steps; without the numbers of eventfds, which may be new ones."""
    irqfds: set[object] = set()
    now: dict[str, object] = {"trigger": None, "completion": None, "forwarded": False}
    for name, *rest in steps(kernel):
        if name == "irqfd":
            fd, _, flags, _ = rest
            (irqfds.discard if flags == kvm.KVM_IRQFD_FLAG_DEASSIGN else irqfds.add)(fd)
        elif name == "trigger":
            now |= {"trigger": rest[2], "forwarded": False}
        elif name == "unmask" and rest[2] is not None:
            now["completion"] = None if rest[2] == -1 else rest[2]
        elif name == "forward":
            now["forwarded"] = rest[1] == vfio_forward.VFIO_FORWARD_ROUTE_WANTED
    irqfds &= kernel.open_fds  # KVM lets go of an eventfd that is closed
    return {**now, "irqfds": len(irqfds), "watched": now["trigger"] in events.watched}


@pytest.mark.parametrize("after", list(InterruptMode))
@pytest.mark.parametrize("before", list(InterruptMode))
def test_a_change_that_fails_at_any_step_leaves_the_line_connected_as_it_was(
    before: InterruptMode, after: InterruptMode
) -> None:
    for number in count():
        kernel, events = FakeKernel(), Events()
        with connect(kernel, events, before, Trigger.LEVEL_HIGH) as line:
            connected = connections(kernel, events)
            fail_one(kernel, number)
            try:
                line.set_mode(after)
            except KernelError:
                assert line.mode is before
                assert connections(kernel, events) == connected, f"call {number} failed"
            else:
                assert line.mode is after
                break
            finally:
                kernel.ioctls.clear()


def test_a_change_for_which_no_file_is_left_unmasks_the_line_in_its_old_mode(
    kernel: FakeKernel, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, "")

    with connect(kernel, events, InterruptMode.IRQFD, Trigger.LEVEL_HIGH) as line:
        connected = steps(kernel)
        monkeypatch.setattr(kernel, "eventfd", refuse)
        with pytest.raises(KernelError, match="EMFILE"):
            line.set_mode(InterruptMode.USERSPACE)
        assert line.mode is InterruptMode.IRQFD
        assert steps(kernel)[-4:] == [*connected, ("unmask", 2, 1, None)]
        monkeypatch.undo()
        line.set_mode(InterruptMode.USERSPACE)
        assert str(line.mode) == "userspace"


class ForwardingDriver:
    """Answers FORWARD as the driver does; `stormed` is what a storm sets and the next SET takes back."""

    def __init__(self, kernel: FakeKernel) -> None:
        self.stormed = False
        kernel.ioctls[vfio.VFIO_DEVICE_FEATURE] = self._answer

    def _answer(self, _: int, argument: int | bytearray) -> int:
        assert isinstance(argument, bytearray)
        flags = vfio.FEATURE.get(argument, "flags")
        if flags & vfio.VFIO_DEVICE_FEATURE_SET:
            self.stormed = False
        elif self.stormed:
            route = argument[vfio.FEATURE.size :]
            vfio_forward.ROUTE.put(route, "flags", vfio_forward.VFIO_FORWARD_ROUTE_STORMED)
            argument[vfio.FEATURE.size :] = route
        return 0


def test_a_storm_is_heard_of_and_the_mode_is_irqfd_then(kernel: FakeKernel, events: Events) -> None:
    driver = ForwardingDriver(kernel)
    with connect(kernel, events, InterruptMode.FORWARD, Trigger.LEVEL_HIGH) as line:
        (storm,) = events.watched
        driver.stormed = True
        events.fire(kernel, storm)
        assert str(line.mode) == "irqfd"


def test_the_signal_of_a_storm_before_the_line_was_forwarded_anew_changes_nothing(
    kernel: FakeKernel, events: Events
) -> None:
    driver = ForwardingDriver(kernel)
    with connect(kernel, events, InterruptMode.FORWARD, Trigger.LEVEL_HIGH) as line:
        (storm,) = events.watched
        driver.stormed = True
        line.set_mode(InterruptMode.FORWARD)
        events.fire(kernel, storm)
        assert str(line.mode) == "forward"
        line.set_mode(InterruptMode.IRQFD)
        assert steps(kernel)[-1] == ("forward", 2, 0, 0)
