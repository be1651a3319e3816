"""Boxes cover a volume, and know what is around them."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.morphology.boxes import Grid, Shape, with_halo

lengths = st.integers(1, 9)
shapes: st.SearchStrategy[Shape] = st.tuples(lengths, lengths, lengths)


@given(shapes, shapes)
def test_boxes_hold_each_voxel_once(shape: Shape, side: Shape) -> None:
    grid = Grid(shape, side)
    times = np.zeros(shape, int)
    boxes = list(grid.boxes)
    for box in boxes:
        times[box.window] += 1
        assert box.shape == times[box.window].shape
        assert all(0 < length <= longest for length, longest in zip(box.shape, side, strict=True))
    assert (times == 1).all()
    assert [box.index for box in boxes] == list(product(*map(range, grid.count)))


@given(shapes, shapes, st.integers(0, 12), st.integers(0, 12))
def test_a_halo_is_as_wide_as_asked_for_or_as_the_volume_has_voxels(
    shape: Shape, side: Shape, before: int, after: int
) -> None:
    places = np.arange(np.prod(shape)).reshape(shape)
    for box in Grid(shape, side).boxes:
        window, core = with_halo(box, before, after, shape)
        assert np.array_equal(places[window][core], places[box.window])
        for read, side_of_box, length in zip(window, box.window, shape, strict=True):
            assert read.start == max(side_of_box.start - before, 0)
            assert read.stop == min(side_of_box.stop + after, length)
