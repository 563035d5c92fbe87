# SPDX-License-Identifier: Apache-2.0
"""results.json: what is written is read again, and what is no such file is a clean error."""

import json
from pathlib import Path

import pytest

from midway.bench.results import Counts, Machine, Results, Run, load, save
from midway.errors import UsageError

MACHINE = Machine(name="board", emulated=True, processors=2, memory_mb=4096, versions={"kernel": "6.1"})
RUN = Run(
    workload="tcp_rr",
    mode="native",
    repetition=1,
    order=0,
    seconds=2.0,
    rates={"transactions_per_s": 10.0},
    counts=Counts(operations=20, host_interrupts=20),
)
RESULTS = Results(
    command="midway bench",
    begun="2026-01-01T00:00:00Z",
    took_s=2.5,
    device="nic",
    machine=MACHINE,
    runs=(RUN,),
)


def test_what_is_saved_is_loaded_again(tmp_path: Path) -> None:
    save(RESULTS, tmp_path / "results.json")
    assert load(tmp_path / "results.json") == RESULTS


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"format": 1}'])
def test_any_other_file_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"results\.json"):
        load(tmp_path / "results.json")


def test_a_later_format_is_named(tmp_path: Path) -> None:
    later = RESULTS.as_json() | {"format": "midway-bench/9"}
    (tmp_path / "results.json").write_text(json.dumps(later))
    with pytest.raises(UsageError, match="midway-bench/9"):
        load(tmp_path / "results.json")
