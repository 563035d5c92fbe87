# SPDX-License-Identifier: Apache-2.0
"""What a VMM costs beside another: the same guest under each of them, on one host, taking turns.

Run as ``python3 -m midway.bench.vmm_cost``; it needs root, for KVM and for the kernel's tracer, which says
of every VMM alike when it was executed and when it first entered its guest.  Nothing is timed cold: one run
of each VMM comes first, in which strace(1) notes the files that it opens.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import mean

import msgspec

from midway.bench.free_memory import rewrite_free_memory
from midway.bench.results import VmmCost
from midway.bench.vmm_guest import VMMS, Images, images, offered
from midway.bench.vmm_process import MeasuredVmm, wait_for_inits
from midway.bench.vmm_reading import files_loaded, interpreter, moments
from midway.errors import HostError, MidwayError, UsageError
from midway.host.tracing import TraceInstance
from midway.measure.trace_events import parse_trace
from midway.output import check_writable, write_file
from midway.scratch import scratch_directory

__all__ = ["TOGETHER", "add_options", "line", "measure_costs", "run"]

TOGETHER = (1, 2, 4)
_EVENTS = {"sched/sched_process_exec": "", "kvm/kvm_entry": ""}
_MOST_TOGETHER = 16
_MOST_REPETITIONS = 1000
_LONGEST_FIRST_LINE = 256  # bytes: what the kernel reads of a script (BINPRM_BUF_SIZE)


def measure_costs(
    guest: Images,
    *,
    together: Sequence[int] = TOGETHER,
    repetitions: int = 3,
    vmms: Sequence[str] = (),
    before: Callable[[], object] = lambda: None,
) -> Iterator[VmmCost]:
    """The costs as they are measured: in every repetition, for each number of VMs, the VMMs one by one.

    Which is first changes with each repetition; `before` is called before each.  `vmms` are those of the host
    where none are given.  What several VMs cost is the mean of them.  Raises HostError where a guest does not
    come up.
    """
    names = tuple(vmms) or offered()
    disk = {name: _disk(name, guest) for name in names}
    for repetition in range(1, repetitions + 1):
        for many in together:
            for name in names if repetition % 2 else reversed(names):
                before()
                yield _measure(name, guest, many, repetition, disk[name])


def _measure(name: str, guest: Images, many: int, repetition: int, disk: int) -> VmmCost:
    argv = VMMS[name](guest)
    with TraceInstance(_EVENTS) as trace, ExitStack() as stack:
        trace.start()
        running = [stack.enter_context(MeasuredVmm(argv)) for _ in range(many)]
        wait_for_inits(running)
        trace.stop()
        samples = [vmm.sample() for vmm in running]
        for vmm in running:
            vmm.finish()
        tasks = {vmm.pid: sample.tasks for vmm, sample in zip(running, samples, strict=True)}
        found = moments(parse_trace(trace.lines()), tasks)
    first, init = [], []
    for vmm in running:
        when = found.get(vmm.pid)
        if when is None or when.entered is None:
            raise HostError(f"tracing {name}", answer="the trace does not show it entering its guest")
        first.append(when.entered - when.executed)
        init.append(vmm.said - when.executed)
    return VmmCost(
        vmm=name,
        device=None,
        together=many,
        repetition=repetition,
        exec_to_first_instruction_s=round(mean(first), 6),
        exec_to_init_s=round(mean(init), 6),
        memory=round(mean(sample.memory for sample in samples)),
        disk=disk,
        threads=round(mean(len(sample.tasks) for sample in samples)),
    )


def _disk(name: str, guest: Images) -> int:
    """The bytes of all files that the VMM opens from its start to the end of its guest."""
    if shutil.which("strace") is None:
        raise HostError("counting the files of a VMM", answer="no strace", remedy="install strace")
    with scratch_directory() as scratch:
        log = scratch / "opened"
        tracing = ["strace", "-f", "--seccomp-bpf", "-e", "trace=execve,openat", "-o", str(log)]
        with MeasuredVmm([*tracing, *VMMS[name](guest)]) as vmm:
            wait_for_inits([vmm])
            vmm.finish()
        opened = files_loaded(log.read_text(errors="replace"), [str(image) for image in guest])
    # One file may be opened by several names.
    files = {path for name in opened if (path := Path(name).resolve()).is_file()}
    # A script's interpreter is executed without a call that a trace would show.
    interpreters = {interpreter(_beginning(path)) for path in files}
    files |= {Path(name).resolve() for name in interpreters if name is not None}
    return sum(path.stat().st_size for path in files if path.is_file())


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LONGEST_FIRST_LINE)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to measure, and where to write it."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the costs as JSON")
    parser.add_argument("--kernel", type=Path, metavar="IMAGE", help="the guest's; default: the running one")
    parser.add_argument(
        "--together", type=int, nargs="+", metavar="N", default=TOGETHER, help="how many VMs at once"
    )
    parser.add_argument("--repetitions", type=int, metavar="N", default=3, help="default: %(default)s")
    parser.add_argument(
        "--rewrite-free-memory",
        action="store_true",
        help="on an emulated board: have the emulator forget what ran before, so that no VMM pays for it",
    )


def run(arguments: argparse.Namespace) -> tuple[VmmCost, ...]:
    """Measure as the options say, each cost told on standard error.  Raises MidwayError."""
    _check("--together", arguments.together, _MOST_TOGETHER)
    _check("--repetitions", [arguments.repetitions], _MOST_REPETITIONS)
    check_writable(arguments.json)
    costs = []
    with scratch_directory() as directory:
        guest = images(directory, arguments.kernel)
        for cost in measure_costs(
            guest,
            together=arguments.together,
            repetitions=arguments.repetitions,
            before=rewrite_free_memory if arguments.rewrite_free_memory else lambda: None,
        ):
            print(f"midway: {line(cost)}", file=sys.stderr, flush=True)
            costs.append(cost)
    if arguments.json is not None:
        write_file(arguments.json, msgspec.json.format(msgspec.json.encode(costs), indent=2) + b"\n")
    return tuple(costs)


def _check(option: str, values: Sequence[int], most: int) -> None:
    for value in values:
        if not 1 <= value <= most:
            raise UsageError(option, answer=f"{value} is not from 1 to {most}")


def line(cost: VmmCost) -> str:
    """One line for a person."""
    return (
        f"{cost.vmm}, {cost.together} at once, {cost.repetition}: "
        f"first instruction after {cost.exec_to_first_instruction_s:.3f} s, init after "
        f"{cost.exec_to_init_s:.3f} s, {cost.memory / 1e6:.1f} MB, {cost.threads} threads"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m midway.bench.vmm_cost", description=__doc__)
    add_options(parser)
    try:
        run(parser.parse_args())
    except MidwayError as error:
        print(f"midway: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
