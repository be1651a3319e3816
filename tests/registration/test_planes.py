"""Planes through a volume: what is sampled is what lies there, whole or reduced, and no more is read than needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.registration import planes
from txm2sem.registration.planes import Plane, Pyramid

SHAPE = (24, 40, 48)
Z, Y, X = np.indices(SHAPE).astype(np.float32)
RAMP = 1 + 5 * Z + 2 * Y + X
"""Linear: a mean is the value of the middle, and what is between voxels is known."""


class Reader:
    """A volume that remembers what was read of it."""

    shape = SHAPE

    def __init__(self) -> None:
        self.read_slices: list[int] = []

    def read(self, z: slice, y: slice, x: slice) -> NDArray[Any]:
        self.read_slices += range(*z.indices(SHAPE[0]))
        return np.asarray(RAMP[z, y, x])


@settings(max_examples=20)
@given(z=st.floats(4, 12), down=st.floats(-0.08, 0.08), right=st.floats(-0.08, 0.08), factor=st.sampled_from([1, 2, 4]))
def test_an_image_shows_what_lies_on_the_plane(z: float, down: float, right: float, factor: int) -> None:
    plane = Plane(z, down, right)
    image = Pyramid(RAMP).images(plane, (0.0,), factor, slice(0, 40), slice(0, 48))[0]
    points = np.indices(image.shape).reshape(2, -1).T * factor + (factor - 1) / 2
    heights = plane.at(points)
    seen = (heights >= factor) & (heights <= SHAPE[0] - 1 - factor)
    assert image.ravel()[seen] == pytest.approx((1 + 5 * heights + points @ [2, 1])[seen], rel=1e-4)
    beyond = (heights < -0.5) | (heights > SHAPE[0] - 0.5)
    assert not image.ravel()[beyond].any()


@pytest.mark.parametrize("depth", [0.5, 1.0, 2.0])
def test_levels_have_voxels_about_as_deep_as_wide(depth: float) -> None:
    pyramid = Pyramid(RAMP, depth)
    deep, wide = pyramid.factors(4)
    assert deep * depth == wide == 4
    image = pyramid.images(Plane(11.5), (0.0,), 4, slice(0, 40), slice(0, 48))[0]
    assert image[3, 5] == pytest.approx(1 + 5 * 11.5 + 2 * 13.5 + 21.5, rel=1e-5)


def test_what_was_not_imaged_is_not_in_the_mean_and_not_between() -> None:
    volume = RAMP.copy()
    volume[:, :, :21] = 0
    volume[10] = 0
    pyramid = Pyramid(volume)
    image = pyramid.images(Plane(4.5), (0.0,), 2, slice(0, 40), slice(0, 48))[0]
    assert not image[:, :10].any()
    assert image[0, 10] == pytest.approx(1 + 5 * 4.5 + 1 + 21)
    assert not pyramid.image(Plane(9.5)).any()
    assert pyramid.image(Plane(9.0))[0, 30] == volume[9, 0, 30]


def test_no_more_is_read_than_a_plane_needs_and_levels_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader()
    pyramid = Pyramid(reader)
    pyramid.images(Plane(10.2), (-1.0, 0.0, 1.0), 1, slice(0, 40), slice(0, 48))
    assert sorted(reader.read_slices) == [9, 10, 11, 12]
    reader.read_slices.clear()
    for z in (3.0, 15.0):
        kept = pyramid.images(Plane(z, 0.01), (0.0,), 2, slice(8, 24), slice(0, 48))
        pyramid.images(Plane(z), (0.0,), 4, slice(0, 40), slice(0, 48))
    assert sorted(reader.read_slices) == list(range(SHAPE[0]))
    # A level that is too large to keep is the same.
    monkeypatch.setattr(planes, "MOST_KEPT", 10)
    assert Pyramid(reader).images(Plane(15.0, 0.01), (0.0,), 2, slice(8, 24), slice(0, 48)) == pytest.approx(kept)


def test_a_steep_plane_is_seen_shorter_along_its_slope_alone() -> None:
    plane = Plane(0.0, 0.3, 0.4)
    short = plane.foreshortening(2.0)[:2, :2]
    assert short @ [0.6, 0.8] == pytest.approx(np.array([0.6, 0.8]) * np.cos(np.radians(plane.tilt(2.0))))
    assert short @ [-0.8, 0.6] == pytest.approx([-0.8, 0.6])
