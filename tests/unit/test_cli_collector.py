# SPDX-License-Identifier: Apache-2.0
"""Python's garbage collector while a command starts."""

import gc

import pytest

from midway.cli.collector import no_collections


def test_the_collector_rests_meanwhile_and_then_looks_at_nothing_of_it() -> None:
    with no_collections():
        assert not gc.isenabled()
        made: list[object] = []
        made.append(made)
    assert gc.isenabled()
    assert not any(found is made for found in gc.get_objects())


def test_an_error_meanwhile_leaves_the_collector_at_work() -> None:
    with pytest.raises(ImportError), no_collections():
        raise ImportError
    assert gc.isenabled()
