"""The rim of what was imaged, beside the distance to everything that was not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from txm2sem.morphology.rim import around_in_plane, ends_of, near_rim

SHAPE = (3, 40, 52)


def test_the_rim_of_a_round_field_of_view_is_as_wide_as_asked_for_in_each_plane() -> None:
    y, x = np.ogrid[:40, :52]
    planes = [np.hypot(y - 19, x - 25) < radius for radius in (18, 12, 99)]
    valid = np.stack(planes)
    found = near_rim(valid, 5, ((False, False), (False, False)))
    for plane, near in zip(planes, found, strict=True):
        distance = distance_transform_edt(plane) if not plane.all() else np.full(plane.shape, np.inf)
        assert np.array_equal(near, distance <= 5)


def test_the_end_of_the_volume_is_a_rim_where_it_is_imaged_up_to_there() -> None:
    valid = np.ones(SHAPE, bool)
    found = near_rim(valid, 4, ((True, False), (False, True)))
    inside = np.zeros(SHAPE, bool)
    inside[:, 4:, :-4] = True
    assert np.array_equal(found, ~inside)
    assert not near_rim(valid, 0, ((True, True), (True, True))).any()


@pytest.mark.parametrize(
    ("shape", "rows", "ends"),
    [
        (SHAPE, slice(0, 40), ((True, True), (False, True))),
        (SHAPE, slice(3, 39), ((False, False), (False, True))),
        ((3, 1, 52), slice(0, 1), ((False, False), (False, True))),
    ],
)
def test_an_axis_of_one_voxel_has_no_ends(
    shape: tuple[int, int, int], rows: slice, ends: tuple[tuple[bool, bool], ...]
) -> None:
    assert ends_of((slice(0, 3), rows, slice(10, 52)), shape) == ends


def test_around_a_part_no_plane_is_read_that_is_not_of_it() -> None:
    window = (slice(1, 3), slice(2, 9), slice(30, 50))
    around, core = around_in_plane(window, 6, SHAPE)
    assert around == (slice(1, 3), slice(0, 15), slice(24, 52))
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    assert np.array_equal(volume[around][core], volume[window])
