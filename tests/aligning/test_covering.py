"""The box of a TXM volume that all confirmed slices cover, beside every box that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from aligning.test_verdict import FOUND, LOST
from txm2sem.aligning.covering import covered_box
from txm2sem.aligning.document import SliceAlignment
from txm2sem.data.bars import DataBar

SHAPE = (30, 24, 28)


def lying(
    z: float, degrees: float, first: tuple[float, float], shape: tuple[int, int], bar: str = ""
) -> SliceAlignment:
    """Return a slice that is turned, with its first pixel at a place of a plane."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    to_txm = ((0.0, 0.0, z), (cos, -sin, first[0]), (sin, cos, first[1]))
    return replace(FOUND, shape=shape, to_txm=to_txm, bar=bar)


def largest_area(slices: Sequence[SliceAlignment]) -> int:
    """Return how many pixels the largest rectangle has that all slices cover; by looking at each."""
    y, x = np.mgrid[: SHAPE[1], : SHAPE[2]]
    covered = np.ones(SHAPE[1:], bool)
    for found in slices:
        places = np.stack([y, x, np.ones_like(y)], axis=-1) @ np.linalg.inv(found.in_plane).T
        covered &= ((places[..., :2] > -1e-6) & (places[..., :2] < np.array(found.shape) - 1 + 1e-6)).all(axis=-1)
    sums = np.pad(covered.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    best = 0
    for top in range(SHAPE[1]):
        for left in range(SHAPE[2]):
            heights, widths = np.mgrid[1 : SHAPE[1] - top + 1, 1 : SHAPE[2] - left + 1]
            below, above = (sums[row, left + widths] - sums[row, left] for row in (top + heights, top))
            whole = below - above
            best = max(best, int((heights * widths)[whole == heights * widths].max(initial=0)))
    return best


@pytest.mark.parametrize("degrees", [0.0, 12.0, -7.0, 45.0, 90.0])
def test_no_larger_box_is_covered_by_all(degrees: float) -> None:
    shape, first = (18, 20), (14 - 10 * np.cos(np.radians(degrees)), 12 - 9 * np.sin(np.radians(degrees + 30)))
    slices = [lying(4.2, degrees, first, shape), lying(9.7, degrees + 3, (first[0] + 1, first[1] - 1), shape)]
    found = covered_box({str(number): one for number, one in enumerate(slices)}, SHAPE)
    (z, *plane) = found
    assert z == (4, 11)
    corners = np.array([(y, x, 1) for y in (plane[0][0], plane[0][1] - 1) for x in (plane[1][0], plane[1][1] - 1)])
    for one in slices:
        back = corners @ np.linalg.inv(one.in_plane).T
        assert back[:, :2].min() > -1e-6
        assert (back[:, :2] < np.array(shape) - 1 + 1e-6).all()
    assert np.prod(np.diff(plane)) == largest_area(slices)


@pytest.mark.parametrize("bar", [DataBar(5, "bottom"), DataBar(4, "top")])
def test_a_data_bar_covers_nothing(bar: DataBar) -> None:
    one = lying(3, 0, (2, 3), (20, 22), str(bar))
    whole = covered_box({"0": replace(one, bar="")}, SHAPE)
    (rows, columns) = covered_box({"0": one}, SHAPE)[1:]
    assert whole == ((3, 4), (2, 22), (3, 25))
    assert columns == (3, 25)
    assert rows == ((2, 17) if bar.edge == "bottom" else (6, 22))


def test_what_is_not_confirmed_covers_nothing_and_nothing_is_beyond_the_volume() -> None:
    wide = lying(2, 0, (-5, -5), (60, 60))
    aside = replace(lying(20, 0, (9, 9), (6, 6)), confident=False)
    assert covered_box({"0": wide, "1": replace(wide, to_txm=((0, 0, 40.0), *wide.to_txm[1:])), "2": aside}, SHAPE) == (
        (2, 30),
        (0, 24),
        (0, 28),
    )
    assert covered_box({"0": LOST}, SHAPE) == ()
    assert covered_box({"0": lying(2, 0, (0, 0), (5, 5)), "1": lying(4, 0, (12, 12), (5, 5))}, SHAPE) == ()
