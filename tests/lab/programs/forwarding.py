# SPDX-License-Identifier: Apache-2.0
"""Run on a board in place of `midway run`: a VM whose one device's interrupts are tampered with meanwhile.

The action is the first argument, the others are those of `midway run`.  What it has to say goes to the
summary, as "program".
"""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import NoReturn

from midway import Console, InterruptMode, Machine, open_machine
from midway.cli.vm_options import add_vm_options, config_from
from midway.errors import KernelError
from midway.kernel import Action, Linux
from midway.kernel.eventfd import EventFd

LIMIT = 20  # interrupts
RARELY = 1_000_000  # interrupts: never
VM_FILES = ("kvm-vm", "kvm-vcpu", "kvm-arm-vgic", "kvm-vfio")
DEVICE_FILES = ("[vfio-device]", "kvm-vfio", "/dev/vfio/")


def say(name: str, value: object) -> None:
    """As a guest does."""
    print(f"midway-guest: {name}={value}", flush=True)


def host_count(machine: Machine) -> int:
    (line,) = machine.snapshot(0).lines
    return line.host or 0


def await_mark(machine: Machine, label: int) -> None:
    while all(mark.label != label for mark in machine.marks) and machine.wait(0.001) is None:
        pass


def switch(machine: Machine, many: int, *modes: InterruptMode) -> None:
    """Another mode with each interrupt, so often; the guest works until it is told that this was done."""
    (line,) = machine.snapshot(0).lines
    await_mark(machine, 2)
    done, before = 0, host_count(machine)
    for mode in islice(cycle(modes), many):
        machine.set_interrupt_mode(line.device, line.line, mode)
        done += 1
        while host_count(machine) == before and machine.wait(0.001) is None:
            pass
        before = host_count(machine)
    say("switches", done)


def switch_two(machine: Machine) -> None:
    switch(machine, 1000, InterruptMode.IRQFD, InterruptMode.FORWARD)


def switch_three(machine: Machine) -> None:
    switch(machine, 300, InterruptMode.USERSPACE, InterruptMode.FORWARD, InterruptMode.IRQFD)


def look_often(machine: Machine) -> None:
    """The driver looks after a few interrupts already whether they are a storm."""
    (line,) = machine.lines
    line.device.forward(line.route.line.index, line.route.spi, limit=LIMIT)
    await_mark(machine, 3)
    now = line.device.forwarding(line.route.line.index)
    say("stormed", now.stormed)
    say("switches", now.switches)


def mask_often(machine: Machine) -> None:
    """As any user of VFIO may, also while interrupts are forwarded; on another CPU than takes them."""
    (line,) = machine.lines
    line.device.forward(line.route.line.index, line.route.spi, limit=RARELY)
    await_mark(machine, 2)
    os.sched_setaffinity(0, {1})
    done = 0
    while machine.marks[-1].label == 2 and machine.wait(0) is None:
        line.device.set_irqs(Action.MASK, line.route.line.index)
        line.device.set_irqs(Action.UNMASK, line.route.line.index)
        done += 1
    say("masked", done)


def await_storm(machine: Machine) -> None:
    """Lets it go on until there is something to read."""
    (line,) = machine.lines
    while not line.device.forwarding(line.route.line.index).stormed and machine.wait(0.001) is None:
        pass
    say("stormed", line.device.forwarding(line.route.line.index).stormed)
    sys.stdin.readline()
    machine.stop()


def refuse(machine: Machine) -> None:
    """Says how the kernel answers to what cannot be forwarded."""
    (line,) = machine.lines
    device, index, spi = line.device, line.route.line.index, line.route.spi
    wishes: dict[str, Callable[[], None]] = {
        "other_spi": lambda: device.forward(index, spi + 1),
        "no_spi": lambda: device.forward(index, 4000),
        "no_line": lambda: device.forward(7, spi),
        "next_line": lambda: device.forward(index + 1, spi),
        "no_eventfd": lambda: device.forward(index, spi, notify=sys.stdin.fileno()),
    }
    for name, wish in wishes.items():
        try:
            wish()
            say(name, "done")
        except KernelError as error:
            say(name, errno.errorcode[error.errno])
    device.set_irqs(Action.TRIGGER, index, count=0)
    try:
        device.forward(index, spi)
        say("no_trigger", "done")
    except KernelError as error:
        say("no_trigger", errno.errorcode[error.errno])
    machine.stop()


def replace(machine: Machine) -> None:
    """The line gets other eventfds while an interrupt of its is active."""
    (line,) = machine.lines
    index = line.route.line.index
    sys.stdin.readline()
    with EventFd(line.device.calls) as storm, EventFd(line.device.calls) as trigger:
        line.device.forward(index, line.route.spi, notify=storm.fd)
        line.device.set_irqs(Action.TRIGGER, index, eventfds=[trigger.fd])
        say("replaced", "yes")
        machine.stop()
        machine.wait()


def release_masked(machine: Machine) -> None:
    """The line is released while it is masked, and the guest has made its interrupt active again."""
    (line,) = machine.lines
    await_mark(machine, 4)
    line.device.set_irqs(Action.MASK, line.route.line.index)
    before = len(machine.marks)
    while len(machine.marks) < before + 2 and machine.wait(0.001) is None:
        pass
    say("active", line.device.forwarding(line.route.line.index).engaged)
    line.device.set_irqs(Action.TRIGGER, line.route.line.index, count=0)
    say("released", "yes")
    machine.stop()


def close_all(kinds: tuple[str, ...]) -> None:
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        if entry.is_symlink():  # not the directory itself, which is closed again
            target = str(entry.readlink())
            if any(kind in target for kind in kinds):
                found.append(int(entry.name))
    for fd in found:
        os.close(fd)


def leave() -> NoReturn:
    say("closed", "yes")
    sys.stdin.readline()
    os._exit(0)  # what was closed here is not to be closed again


def close_device_first(_: Machine) -> None:
    """The device goes while the guest runs."""
    sys.stdin.readline()
    close_all(DEVICE_FILES)
    leave()


def close_vm_first(machine: Machine) -> None:
    """Nobody but the device's driver knows of the VM when the device goes."""
    sys.stdin.readline()
    machine.stop()
    machine.wait()
    close_all(VM_FILES)
    close_all(DEVICE_FILES)
    leave()


SWITCHING = {call.__name__ for call in (switch_two, switch_three)}
ACTIONS = {
    call.__name__: call
    for call in (
        switch_two,
        switch_three,
        look_often,
        mask_often,
        await_storm,
        refuse,
        replace,
        release_masked,
        close_device_first,
        close_vm_first,
    )
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--json", type=Path)
    add_vm_options(parser)
    arguments = parser.parse_args()
    with (
        # What the others read from there is for them and not for the guest.
        Console(
            Linux(), sys.stdout.fileno(), sys.stdin.fileno() if arguments.action in SWITCHING else None
        ) as console,
        open_machine(config_from(arguments), console) as machine,
    ):
        machine.start()
        ACTIONS[arguments.action](machine)
        machine.wait()
        arguments.json.write_text(json.dumps(machine.summary().as_json()))


main()
