# SPDX-License-Identifier: Apache-2.0
"""What is asked of a benchmark, and the experiment that it comes to on this host."""

import ipaddress
import os
import stat
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from midway.bench.experiment import Experiment
from midway.bench.image import Link
from midway.bench.metrics import DEFAULT_MODES
from midway.bench.modes import check_modes, vmm_for
from midway.bench.subject import subject_of
from midway.bench.workloads import Kind, Target, check_seconds, named, workloads_for
from midway.errors import HostError, UsageError
from midway.host.platform import Platform

__all__ = ["Request", "experiment_of", "parse_link"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`address` is the device's own (IP/PREFIX) and `peer` who it talks to, where it is a NIC.

    `workloads` None are all that the device can do; `kernel` None is the host's own in /boot; `memory` is in
    MiB.  UsageError for what cannot be.
    """

    device: str
    address: str | None = None
    peer: str | None = None
    modes: tuple[str, ...] = DEFAULT_MODES
    workloads: tuple[str, ...] | None = None
    repetitions: int = 3
    seconds: float = 5
    iperf3_port: int = 5201
    sockperf_port: int = 11111
    kernel: Path | None = None
    module_files: tuple[Path, ...] = ()
    memory: int = 1024
    cpus: int = 1

    def __post_init__(self) -> None:
        check_modes(self.modes)
        limits = {
            "repetitions": (self.repetitions, 1, 100),
            "seconds": (self.seconds, 0.1, 3600),
            "iperf3-port": (self.iperf3_port, 1, 65535),
            "sockperf-port": (self.sockperf_port, 1, 65535),
            "memory": (self.memory, 64, 1 << 20),
            "cpus": (self.cpus, 1, 8),
        }
        for name, (value, least, most) in limits.items():
            if not least <= value <= most:
                raise UsageError(f"--{name}", answer=f"{value} is not from {least} to {most}")
        if self.workloads is not None:
            named(self.workloads)
        if self.address is not None or self.peer is not None:
            parse_link(self.address, self.peer)


def parse_link(address: str | None, peer: str | None) -> Link:
    """UsageError unless both are IPv4 and the peer is another host of the same network."""
    if address is None or peer is None:
        missing = "--address IP/PREFIX" if address is None else "--peer IP"
        raise UsageError(
            "measuring a network device",
            answer=f"it needs {missing}",
            remedy="a peer on its network runs `iperf3 -s` and `sockperf server --tcp`",
        )
    try:
        own, other = ipaddress.IPv4Interface(address), IPv4Address(peer)
    except ValueError as error:
        raise UsageError("reading --address and --peer", answer=str(error)) from error
    if "/" not in address:
        raise UsageError(
            "reading --address", answer=f"{address} has no prefix", remedy=f"such as {address}/24"
        )
    if other not in own.network or other == own.ip:
        raise UsageError("reading --peer", answer=f"{peer} is no other host of {own.network}")
    return Link(own, other)


def experiment_of(request: Request, platform: Platform, *, is_emulated: bool) -> Experiment:
    """What has to be known of the host is looked up, and nothing touched.

    Raises UsageError, DeviceError and HostError for what cannot be measured.
    """
    wanted = None if request.workloads is None else named(request.workloads)
    subject = subject_of(request.device, platform, wanted[0].kind if wanted else None)
    check_seconds(subject.kind, request.seconds)
    is_network = subject.kind is Kind.NETWORK
    vmms = {mode: vmm for mode in check_modes(request.modes) if (vmm := vmm_for(mode)) is not None}
    for path in request.module_files:
        _check_file(path, "a kernel module")
    kernel = request.kernel or Path("/boot") / f"vmlinuz-{os.uname().release}"
    if vmms:
        _check_file(kernel, "the guests' kernel")
    return Experiment(
        subject=subject,
        workloads=wanted or workloads_for(subject.kind),
        modes=check_modes(request.modes),
        vmms=vmms,
        repetitions=request.repetitions,
        target=Target(
            seconds=request.seconds,
            peer=request.peer or "",
            iperf3_port=request.iperf3_port,
            sockperf_port=request.sockperf_port,
        ),
        kernel=kernel,
        link=parse_link(request.address, request.peer) if is_network else None,
        module_files=request.module_files,
        memory=request.memory,
        cpus=request.cpus,
        is_emulated=is_emulated,
    )


def _check_file(path: Path, what: str) -> None:
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        raise HostError(f"reading {path} as {what}", answer=error.strerror) from error
    if not is_file:
        raise HostError(f"reading {path} as {what}", answer="it is no file")
