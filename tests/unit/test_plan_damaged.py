# SPDX-License-Identifier: Apache-2.0
"""Trees that are sound as files and nonsense as boards: every device gets a plan or a clean error."""

from hypothesis import given
from hypothesis import strategies as st

from midway.devicetree.devices import devices_of
from midway.devicetree.index import Tree
from midway.devicetree.node import Node
from midway.devicetree.read import read
from midway.devicetree.write import write
from midway.errors import MidwayError
from midway.passthrough.planner import Host, assess
from unit.dts import BOARD, compiled

_BLOB = write(compiled(BOARD))
_SAID = sorted(
    {name for _, node in read(_BLOB).walk() for name in node.properties} | {"interrupt-map", "dma-ranges"}
)
_CELLS = st.sampled_from([0, 1, 2, 3, 4, 5, 0x10000, 0x80000000, 0xFFFFFFFF])
_VALUES = st.one_of(
    st.lists(_CELLS, max_size=9).map(lambda values: b"".join(value.to_bytes(4, "big") for value in values)),
    st.binary(max_size=12),
)


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from(_SAID), _VALUES), min_size=1, max_size=6))
def test_nonsense_in_properties_is_a_finding_or_a_clean_error(changes: list[tuple[int, str, bytes]]) -> None:
    root = read(_BLOB)
    nodes: list[Node] = [node for _, node in root.walk()]
    for at, name, value in changes:
        nodes[at % len(nodes)].properties[name] = value
    try:
        tree = Tree(root)
        devices = devices_of(tree)
    except MidwayError:
        return
    host = Host(tree, devices)
    for device in devices:
        try:
            plan = assess(device, host)
        except MidwayError:
            continue
        assert plan.device is device
        write(plan.node)
