"""Noise that is fixed in space: the same from any part, and as coarse along z as in the plane."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.noise import CHANNELS, SCALES, noise

SIDE = 160
WHOLE = slice(0, SIDE)
ALL = range(CHANNELS)


@cache
def whole(draw: int = 0, z: int = 0) -> NDArray[np.float32]:
    return noise(draw, z, WHOLE, WHOLE)


def correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@given(st.integers(0, 2**31), st.integers(0, 10**5), st.tuples(*[st.integers(0, 120)] * 2), st.integers(1, 40))
def test_a_part_is_cut_out_of_the_whole(draw: int, z: int, corner: tuple[int, int], side: int) -> None:
    row, column = corner
    part = noise(draw, z, slice(row, row + side), slice(column, column + side))
    assert part.shape == (CHANNELS, side, side)
    assert part.dtype == np.float32
    expected = whole(draw, z)[:, row : row + side, column : column + side]
    # Sums of 16 products in float32, in another order.
    np.testing.assert_allclose(part, expected, atol=2e-6)


def test_is_what_it_was() -> None:
    """Draws in published files can be made again: these numbers were written down when noise was added."""
    found = noise(3, 1000, slice(5, 7), slice(11, 12))[:, :, 0]
    np.testing.assert_allclose(found, RECORDED, atol=2e-6)


RECORDED = [
    [0.858349, -0.917243],
    [1.007751, 1.45606],
    [-0.511874, -1.237168],
    [-0.605687, -0.668636],
    [-0.550383, -0.384034],
]


def test_every_voxel_has_mean_0_and_variance_1() -> None:
    draws = np.stack([noise(draw, 7, slice(30, 36), slice(3, 9)) for draw in range(800)])
    # 800 draws: five standard errors are 0.18 of a mean, 0.25 of a variance of near normal values.
    np.testing.assert_allclose(draws.mean(0), 0, atol=0.18)
    np.testing.assert_allclose(draws.var(0), 1, atol=0.25)


@pytest.mark.parametrize("channel", ALL)
def test_draws_differ(channel: int) -> None:
    # The coarsest noise has some 144 independent values in a slice.
    assert abs(correlation(whole(0)[channel], whole(1)[channel])) < 0.3


def test_channels_differ() -> None:
    channels = np.corrcoef(whole().reshape(CHANNELS, -1))
    assert np.abs(channels - np.eye(CHANNELS)).max() < 0.3


@pytest.mark.parametrize("lag", [1, 2, 4, 8])
@pytest.mark.parametrize("channel", ALL[1:])
def test_smooth_noise_is_as_coarse_along_z_as_in_the_plane(channel: int, lag: int) -> None:
    along_z, in_plane = [], []
    for draw in range(6):
        image, other = whole(draw, 40)[channel], whole(draw, 40 + lag)[channel]
        along_z.append(float((image * other).mean()))
        in_plane.append(float((image[lag:] * image[:-lag]).mean()))
    assert np.mean(along_z) == pytest.approx(np.mean(in_plane), abs=0.08)
    # White noise between points of a lattice: gone beyond four of its steps, nearly whole within a quarter of one.
    scale = SCALES[channel - 1]
    assert np.mean(in_plane) > 0.85 if lag <= scale / 4 else True
    assert abs(np.mean(in_plane)) < 0.08 if lag >= 4 * scale else True


def test_white_noise_has_nothing_in_common_with_its_neighbours() -> None:
    image, below = whole(0, 9)[0], whole(0, 10)[0]
    for other in (np.roll(image, 1, 0), np.roll(image, 1, 1), below):
        assert abs(correlation(image, other)) < 0.03
