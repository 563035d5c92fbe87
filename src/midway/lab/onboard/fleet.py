# SPDX-License-Identifier: Apache-2.0
"""Run on a board: puts every device of every running VM into an interrupt mode, then prints as JSON how much
memory the VMs' processes have.
"""

import json
import sys
from pathlib import Path

from midway.vm.running import running_vms

_PSS = "Pss:"  # of smaps_rollup (proc(5)); pages of hugetlbfs, a guest's RAM, are not in it


def proportional_set_size(rollup: str) -> int:
    """Bytes, out of a process's smaps_rollup."""
    return next(int(line.split()[1]) << 10 for line in rollup.splitlines() if line.startswith(_PSS))


def main(mode: str) -> int:
    memory = []
    for vm in running_vms():
        status = vm.status()
        for device in status.devices:
            for line in device.lines:
                if line.mode != mode:
                    vm.ask("set-mode", device=device.name, line=line.line, mode=mode)
        memory.append(proportional_set_size(Path(f"/proc/{status.pid}/smaps_rollup").read_text()))
    print(json.dumps(memory))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
