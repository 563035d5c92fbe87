# SPDX-License-Identifier: Apache-2.0
"""What Midway costs beside QEMU, on the same board in the same run.

Times are for `midway lab vmm-cost` to tell: a single start may take half as long again as the next.
"""

from midway.bench.vmm_ratio import compare
from midway.lab.running import RunningBoard
from midway.lab.vmm_cost import measure_on

MOST_MEMORY = 30_000_000  # bytes


def test_memory_beside_the_guests_is_half_of_qemus_and_at_most_30_megabytes(versal: RunningBoard) -> None:
    costs = measure_on(versal, together=[1], repetitions=1)
    (memory,) = (found for found in compare(costs) if (found.vmm, found.measure) == ("qemu", "memory"))
    assert memory.ratio <= 0.5
    assert memory.midway <= MOST_MEMORY
