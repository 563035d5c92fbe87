# SPDX-License-Identifier: Apache-2.0
"""Frames of the result channel survive any way in which a stream can be cut."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midway.lab.frames import MAXIMUM_PAYLOAD, Frame, FrameDecoder, Kind, ProtocolError, encode

frames = st.builds(
    Frame, st.sampled_from(Kind), st.integers(min_value=0, max_value=2**32 - 1), st.binary(max_size=300)
)


@given(st.lists(frames, max_size=8), st.integers(min_value=1, max_value=64))
def test_what_is_encoded_comes_back_whatever_the_pieces(sent: list[Frame], size: int) -> None:
    stream = b"".join(encode(frame) for frame in sent)
    decoder = FrameDecoder()
    received = []
    for start in range(0, len(stream), size):
        received += list(decoder.feed(stream[start : start + size]))
    assert received == sent


def test_a_payload_beyond_the_limit_is_refused_on_both_sides() -> None:
    with pytest.raises(ProtocolError, match="too long"):
        encode(Frame(Kind.OUTPUT, 1, bytes(MAXIMUM_PAYLOAD + 1)))
    with pytest.raises(ProtocolError, match="claims"):
        list(FrameDecoder().feed(struct.pack("<BII", Kind.OUTPUT, 1, MAXIMUM_PAYLOAD + 1)))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ProtocolError, match="unknown frame kind 200"):
        list(FrameDecoder().feed(struct.pack("<BII", 200, 1, 0)))
