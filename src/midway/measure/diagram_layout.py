# SPDX-License-Identifier: Apache-2.0
"""Where moments of a picture go along its width: in their order, room for what is written, and no more."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from midway.measure.diagram import Bar, Picture

__all__ = ["positions"]


def positions(
    picture: Picture, least: float, most: float, width_of: Callable[[Bar], float]
) -> dict[float, float]:
    """Each moment's place, from 0.

    Two that follow each other are between `least` and `most` apart, by the root of the time between them, and
    further where a bar needs `width_of` it.
    """
    moments = picture.moments
    gaps = _gaps(moments, least, most)
    place = {moment: number for number, moment in enumerate(moments)}
    for bar in sorted(picture.bars, key=lambda bar: place[bar.end] - place[bar.start]):
        first, last = place[bar.start], place[bar.end]
        missing = width_of(bar) - sum(gaps[first:last])
        for number in range(first, last):
            gaps[number] += max(0.0, missing) / (last - first)
    places = [0.0]
    for gap in gaps:
        places.append(places[-1] + gap)
    return dict(zip(moments, places, strict=True))


def _gaps(moments: Sequence[float], least: float, most: float) -> list[float]:
    roots = [(later - earlier) ** 0.5 for earlier, later in pairwise(moments)]
    longest = max(roots, default=1.0)
    return [least + (most - least) * root / longest for root in roots]
