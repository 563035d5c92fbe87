# SPDX-License-Identifier: Apache-2.0
"""This machine's side of the result channel."""

import queue
import socket
from typing import Any

import pytest

from midway.errors import BoardLostError
from midway.lab.connection import BoardConnection


class Leaving(queue.SimpleQueue[Any]):
    """Of a request that ends while the loss is being told: its queue is taken away."""

    def __init__(self, queues: dict[int, Any]) -> None:
        super().__init__()
        self._queues = queues

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self._queues.pop(1)


def test_every_request_hears_of_a_loss_while_another_one_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, BoardConnection(ours, BoardLostError) as connection:
        queues = connection._queues
        queues[1] = Leaving(queues)
        queues[2] = queue.SimpleQueue()
        connection._mark_lost("it has gone")
        with pytest.raises(BoardLostError, match="it has gone"):
            next(connection.receive(2, 0))
