"""Tiles cover a plane, join without a trace, and are chosen to cost little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from txm2sem.tiling import BLEND, Tiling, choose_tiling

MULTIPLES = st.sampled_from([1, 4, 8, 32])


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    multiple = draw(MULTIPLES)
    core = -(-2 * BLEND // multiple) * multiple
    shape = tuple(multiple * draw(st.integers(1, max(160 // multiple, 1))) for _ in range(2))
    grid = tuple(draw(st.integers(1, max(side // core, 1))) for side in shape)
    return Tiling((shape[0], shape[1]), (grid[0], grid[1]), draw(st.integers(0, 40)), multiple)


@given(tilings())
def test_every_pixel_has_a_total_weight_of_one(tiling: Tiling) -> None:
    total = np.zeros(tiling.shape)
    for tile in tiling.tiles:
        total[tile.keep] += tile.weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(tilings())
def test_tiles_start_and_end_at_multiples_and_see_their_halo(tiling: Tiling) -> None:
    for tile in tiling.tiles:
        for read, keep, length in zip(tile.read, tile.keep, tiling.shape, strict=True):
            assert read.start % tiling.multiple == read.stop % tiling.multiple == 0
            assert read.start == 0 or read.start <= keep.start - tiling.halo
            assert read.stop == length or read.stop >= keep.stop + tiling.halo


@given(tilings())
def test_what_is_said_of_the_tiles_is_true(tiling: Tiling) -> None:
    sides = [tuple(side.stop - side.start for side in tile.read) for tile in tiling.tiles]
    assert len(sides) == tiling.grid[0] * tiling.grid[1]
    assert tiling.area == sum(rows * columns for rows, columns in sides)
    assert tiling.largest == (max(rows for rows, _ in sides), max(columns for _, columns in sides))
    assert len(tiling.row_borders) == tiling.grid[0] - 1
    assert len(tiling.column_borders) == tiling.grid[1] - 1


def local_mean(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a filter of 9 x 9 pixels, which sees 4 pixels in each direction."""
    return np.asarray(uniform_filter(image[0], 9, mode="reflect"), np.float32)


def test_a_filter_in_tiles_equals_the_filter_of_the_whole_plane() -> None:
    plane = np.random.default_rng(0).random((1, 96, 128), np.float32)
    joined = Tiling((96, 128), (3, 4), halo=4, multiple=4).apply(local_mean, plane)
    np.testing.assert_allclose(joined, local_mean(plane), atol=1e-6)


def test_a_halo_that_is_too_narrow_shows() -> None:
    """The tiles are read wider than the halo by the band of blending; what is wrong must exceed that."""
    plane = np.random.default_rng(0).random((1, 96, 128), np.float32)
    wide = Tiling((96, 128), (3, 4), halo=0, multiple=4)
    joined = wide.apply(lambda image: uniform_filter(image[0], 41, mode="reflect"), plane)
    assert np.abs(joined - uniform_filter(plane[0], 41, mode="reflect")).max() > 1e-3


def test_differences_between_tiles_are_blended_smoothly() -> None:
    """Each tile is a constant of its own: from one to the next, no step is larger than the cosine's."""
    constants = iter([0.0, 1.0])
    tiling = Tiling((32, 128), (1, 2), halo=0, multiple=4)
    plane = np.zeros((1, 32, 128), np.float32)
    joined = tiling.apply(lambda tile: np.full(tile.shape[1:], next(constants), np.float32), plane)
    steps = np.diff(joined[0])
    assert joined[0, 0] == 0
    assert joined[0, -1] == pytest.approx(1)
    assert (steps >= 0).all()
    assert steps.max() < np.pi / 2 / (2 * BLEND) + 1e-6


def test_the_whole_plane_is_one_tile_where_it_fits() -> None:
    tiling = choose_tiling((512, 512), halo=100, multiple=4, largest_area=512 * 512)
    assert tiling is not None
    assert tiling.grid == (1, 1)
    assert tiling.area == 512 * 512


@given(st.integers(4, 100), st.integers(4, 100), st.integers(0, 60), st.sampled_from([1, 4, 8]), st.floats(1e2, 1e5))
def test_the_chosen_tiles_fit_and_none_is_chosen_where_none_fits(
    rows: int, columns: int, halo: int, multiple: int, area: float
) -> None:
    shape = (rows * multiple, columns * multiple)
    tiling = choose_tiling(shape, halo, multiple, area)
    if tiling is not None:
        assert tiling.largest[0] * tiling.largest[1] <= area
    else:
        most = [max(side // (-(-2 * BLEND // multiple) * multiple), 1) for side in shape]
        smallest = Tiling(shape, (most[0], most[1]), halo, multiple)
        assert smallest.largest[0] * smallest.largest[1] > area


@given(tilings())
def test_another_tiling_of_the_same_planes_has_none_of_the_borders(tiling: Tiling) -> None:
    other = tiling.with_other_borders()
    assert other.shape == tiling.shape
    for mine, others, count in (
        (tiling.row_borders, other.row_borders, tiling.grid[0]),
        (tiling.column_borders, other.column_borders, tiling.grid[1]),
    ):
        assert len(others) in ({0} if count == 1 else {count, count - 2})
        if tiling.multiple == 1:
            assert not set(mine) & set(others)


def test_more_tiles_than_the_plane_has_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot cut"):
        Tiling((64, 64), (5, 1), 0, 4)
    with pytest.raises(ValueError, match="cannot cut"):
        Tiling((63, 64), (1, 1), 0, 4)
