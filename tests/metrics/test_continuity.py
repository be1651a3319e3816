"""Continuity: known answers, and what must hold for any volume."""

from __future__ import annotations

import functools
import json
import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import Continuity, ContinuitySums, adjacent_difference, autocorrelation

volumes = arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=6))


def noise(shape: tuple[int, int, int] = (12, 13, 14), seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100, 20, shape)


def test_the_difference_of_8_bit_slices_is_in_grey_levels_and_does_not_wrap_around() -> None:
    volume = np.stack([np.full((3, 4), grey, np.uint8) for grey in (250, 5, 10)])
    assert adjacent_difference(volume) == (245 + 5) / 2


def test_the_difference_is_along_z_only() -> None:
    volume = np.broadcast_to(noise((1, 8, 8)), (5, 8, 8))
    assert adjacent_difference(volume) == 0
    assert adjacent_difference(np.moveaxis(volume, 0, 1)) > 5
    assert adjacent_difference(np.moveaxis(volume, 0, 2)) > 5


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_wave_correlates_with_itself_a_period_further_and_opposes_itself_half_a_period_further(axis: int) -> None:
    wave = np.cos(2 * np.pi * np.arange(32) / 8)
    volume = np.moveaxis(np.broadcast_to(wave, (3, 4, 32)), 2, axis)
    assert autocorrelation(volume, axis, 8) == pytest.approx(1)
    assert autocorrelation(volume, axis, 4) == pytest.approx(-1)
    assert autocorrelation(volume, axis, 2) == pytest.approx(0, abs=0.05)
    across = (axis + 1) % 3
    assert autocorrelation(volume, across, 1) == pytest.approx(1)


def test_it_is_the_correlation_of_all_pairs() -> None:
    volume = noise()
    for axis, lag in ((0, 1), (1, 2), (2, 3)):
        moved = np.moveaxis(volume, axis, 0)
        expected = np.corrcoef(moved[:-lag].ravel(), moved[lag:].ravel())[0, 1]
        assert autocorrelation(volume, axis, lag) == pytest.approx(expected)


def test_noise_anew_in_each_slice_lowers_it_along_z_by_the_share_of_the_noise() -> None:
    # Variances s and n of structure that is equal in all slices and of noise give s / (s + n).
    structure = np.broadcast_to(noise((1, 64, 64)), (32, 64, 64))
    volume = structure + np.random.default_rng(1).normal(0, 20, structure.shape)
    assert autocorrelation(volume, 0, 1) == pytest.approx(0.5, abs=0.02)
    assert autocorrelation(volume, 1, 1) == pytest.approx(0, abs=0.05)


def test_gaussian_texture_has_the_known_autocorrelation_in_every_direction() -> None:
    # White noise blurred with sigma has exp(-lag² / (4 sigma²)).
    sigma = 2.0
    volume = gaussian_filter(noise((64, 64, 64)), sigma, mode="wrap")
    found = Continuity.of(volume, 4)
    for lag in range(1, 5):
        expected = math.exp(-(lag**2) / (4 * sigma**2))
        assert found.along_z[lag - 1] == pytest.approx(expected, abs=0.03)
        assert found.in_plane[lag - 1] == pytest.approx(expected, abs=0.03)


def test_in_plane_is_the_mean_of_rows_and_columns() -> None:
    volume = gaussian_filter(noise(), (0, 3, 1))
    along_y, along_x = autocorrelation(volume, 1, 1), autocorrelation(volume, 2, 1)
    assert along_y > along_x + 0.05
    assert Continuity.of(volume, 1).in_plane == pytest.approx(((along_y + along_x) / 2,))


def test_slices_put_in_disorder_are_less_continuous_along_z_and_as_continuous_in_plane() -> None:
    volume = gaussian_filter(noise((24, 24, 24)), 2)
    ordered = Continuity.of(volume, 3)
    disordered = Continuity.of(volume[np.random.default_rng(0).permutation(24)], 3)
    assert disordered.difference > 2 * ordered.difference
    assert disordered.along_z[0] < ordered.along_z[0] - 0.3
    assert disordered.in_plane == pytest.approx(ordered.in_plane)


def test_what_is_outside_changes_nothing() -> None:
    volume = noise()
    inside = np.zeros(volume.shape, np.bool_)
    inside[2:9, 3:11, 4:10] = True
    expected = Continuity.of(volume[2:9, 3:11, 4:10], 3)
    for background in (0.0, 1e6):
        found = Continuity.of(np.where(inside, volume, background), 3, inside)
        assert found.difference == pytest.approx(expected.difference)
        assert found.along_z == pytest.approx(expected.along_z)
        assert found.in_plane == pytest.approx(expected.in_plane)
    assert Continuity.of(np.where(inside, volume, 0.0), 3).along_z != pytest.approx(expected.along_z, abs=0.1)


@pytest.mark.parametrize("value", [0, 7, 0.1, 1e6 / 3])
def test_a_constant_volume_has_no_difference_and_no_defined_correlation(value: float) -> None:
    constant = Continuity.of(np.full((5, 6, 7), value), 2)
    assert constant.difference == 0
    assert np.isnan([*constant.along_z, *constant.in_plane]).all()
    assert math.isnan(Continuity.of(noise(), 1).ratio_to(constant))


def test_a_small_contrast_on_a_large_brightness_is_not_lost() -> None:
    volume = gaussian_filter(noise(), 1)
    assert autocorrelation(volume + 1e9, 0, 1) == pytest.approx(autocorrelation(volume, 0, 1), rel=1e-6)
    assert Continuity.of(volume + 1e9, 1).along_z == pytest.approx(Continuity.of(volume, 1).along_z, rel=1e-6)


def test_slices_of_one_grey_value_each_are_constant_on_each_side_of_a_pair() -> None:
    volume = np.stack([np.full((6, 7), value) for value in (0.1, 0.7)])
    assert math.isnan(autocorrelation(volume, 0, 1))


def test_without_pairs_nothing_is_defined() -> None:
    single = Continuity.of(noise((1, 4, 4)), 2)
    assert math.isnan(single.difference)
    assert np.isnan(single.along_z).all()
    assert np.isfinite(single.in_plane).all()
    for axis, side in enumerate((12, 13, 14)):
        assert math.isnan(autocorrelation(noise(), axis, side))
        assert math.isnan(autocorrelation(noise(), axis, side + 1))
    empty = Continuity.of(noise(), 2, np.zeros((12, 13, 14), np.bool_))
    assert np.isnan([empty.difference, *empty.along_z, *empty.in_plane]).all()


def test_the_ratio_is_that_of_the_differences() -> None:
    volume = noise()
    assert Continuity.of(3 * volume, 1).ratio_to(Continuity.of(volume, 1)) == pytest.approx(3)


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="found 2 axes"):
        adjacent_difference(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="expected inside of the volume's shape"):
        autocorrelation(np.zeros((4, 4, 4)), 0, 1, np.ones((4, 4, 5), np.bool_))


@settings(max_examples=60)
@given(volumes, st.integers(0, 2), st.integers(1, 4))
def test_correlations_are_between_minus_one_and_one_and_the_same_backwards(
    volume: NDArray[np.uint8], axis: int, lag: int
) -> None:
    found = autocorrelation(volume, axis, lag)
    assert math.isnan(found) or -1 <= found <= 1
    assert autocorrelation(np.flip(volume, axis), axis, lag) == pytest.approx(found, nan_ok=True)


@settings(max_examples=60)
@given(volumes, st.floats(0.1, 10), st.floats(-1000, 1000))
def test_brightness_and_contrast_scale_the_difference_and_leave_the_correlation(
    volume: NDArray[np.uint8], contrast: float, brightness: float
) -> None:
    before, after = Continuity.of(volume, 2), Continuity.of(contrast * volume + brightness, 2)
    assert after.difference == pytest.approx(contrast * before.difference, nan_ok=True, abs=1e-9)
    assert after.along_z == pytest.approx(before.along_z, nan_ok=True, abs=1e-6)
    assert after.in_plane == pytest.approx(before.in_plane, nan_ok=True, abs=1e-6)


@settings(max_examples=60)
@given(volumes)
def test_exchanging_rows_and_columns_changes_nothing(volume: NDArray[np.uint8]) -> None:
    assume(volume.size > 1)
    before, after = Continuity.of(volume, 2), Continuity.of(volume.swapaxes(1, 2), 2)
    assert after.difference == pytest.approx(before.difference, nan_ok=True)
    assert after.along_z == pytest.approx(before.along_z, nan_ok=True)
    assert after.in_plane == pytest.approx(before.in_plane, nan_ok=True)


def moments_of(volume: NDArray[Any], lags: int, inside: NDArray[np.bool_], axis: int) -> NDArray[np.float64]:
    """Return the sums over all pairs along an axis, lag by lag."""
    values, counts = np.moveaxis(volume.astype(np.float64), axis, 0), np.moveaxis(inside, axis, 0)
    sums = np.zeros((lags, 6))
    for lag in range(1, lags + 1):
        both = counts[lag:] & counts[:-lag]
        v, w = values[:-lag][both], values[lag:][both]
        sums[lag - 1] = both.sum(), v.sum(), w.sum(), (v * v).sum(), (v * w).sum(), (w * w).sum()
    return sums


@st.composite
def volumes_in_blocks(draw: st.DrawFn) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[int]]:
    """Volumes, which voxels count, and the first slices of blocks but the first."""
    volume = draw(volumes)
    inside = draw(arrays(np.bool_, volume.shape))
    return volume, inside, sorted(draw(st.lists(st.integers(0, len(volume)), max_size=3)))


class TestSums:
    @settings(max_examples=100)
    @given(volumes_in_blocks(), st.integers(0, 8), st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]))
    def test_they_are_those_of_one_lag_after_the_other(
        self, blocks: tuple[NDArray[np.uint8], NDArray[np.bool_], list[int]], lags: int, dtype: type
    ) -> None:
        volume, inside, _ = blocks
        found = ContinuitySums.of(volume.astype(dtype), lags, inside)
        assert found.moments.tolist() == [moments_of(volume, lags, inside, axis).tolist() for axis in range(3)]
        both = inside[1:] & inside[:-1]
        assert found.change.tolist() == [both.sum(), np.abs(np.diff(volume.astype(int), axis=0))[both].sum()]

    @settings(max_examples=100)
    @given(volumes_in_blocks(), st.integers(1, 4), st.integers(1, 3))
    def test_blocks_add_up_but_for_the_pairs_that_two_of_them_share(
        self, blocks: tuple[NDArray[np.uint8], NDArray[np.bool_], list[int]], lags: int, every: int
    ) -> None:
        volume, inside, starts = blocks
        parts = [
            ContinuitySums.of(part, lags, part_inside, every)
            for part, part_inside in zip(np.split(volume, starts), np.split(inside, starts), strict=True)
        ]
        added = functools.reduce(operator.add, parts)
        whole = ContinuitySums.of(volume, lags, inside, every)
        assert added.moments[1:].tolist() == whole.moments[1:].tolist()
        number = np.digitize(np.arange(len(volume)), starts)
        shared = np.zeros((lags, 6))
        for lag in range(1, lags + 1):
            for z in np.flatnonzero(number[lag:] != number[:-lag]):
                pair = [z, z + lag]
                shared[lag - 1] += moments_of(volume[pair, ::every], 1, inside[pair, ::every], 0)[0]
        assert added.moments[0].tolist() == (whole.moments[0] - shared).tolist()
        assert added.change[0] == added.moments[0, 0, 0]

    def test_a_sample_has_pairs_along_z_and_x_from_some_rows_and_pairs_along_y_from_as_many_columns(self) -> None:
        volume, inside = noise().astype(np.uint8), noise(seed=1) > 90
        found = ContinuitySums.of(volume, 3, inside, every=4)
        rows = ContinuitySums.of(volume[:, ::4], 3, inside[:, ::4])
        columns = ContinuitySums.of(volume[:, :, ::4], 3, inside[:, :, ::4])
        assert found.moments.tolist() == [
            rows.moments[0].tolist(),
            columns.moments[1].tolist(),
            rows.moments[2].tolist(),
        ]
        assert found.change.tolist() == rows.change.tolist()

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("shape", [(3, 331, 700), (2, 1, 200_000)])
    def test_those_of_extreme_grey_values_are_exact_in_large_slices_too(
        self, shape: tuple[int, int, int], dtype: type
    ) -> None:
        white = np.random.default_rng(0).random(shape) < 0.9
        volume: NDArray[Any] = np.where(white, np.iinfo(dtype).max, 0).astype(dtype)
        inside = np.random.default_rng(1).random(shape) < 0.99
        found = ContinuitySums.of(volume, 9, inside)
        assert found.moments.tolist() == [moments_of(volume, 9, inside, axis).tolist() for axis in range(3)]

    def test_the_continuity_is_that_of_the_volume(self) -> None:
        volume = gaussian_filter(noise((24, 24, 24)), 2)
        sums = functools.reduce(operator.add, [ContinuitySums.of(block, 3) for block in np.split(volume, [7, 8])])
        found, expected = sums.continuity(), Continuity.of(volume, 3)
        assert found.in_plane == pytest.approx(expected.in_plane)
        # Three blocks leave out some of the pairs along z.
        assert found.along_z == pytest.approx(expected.along_z, abs=0.05)
        assert found.difference == pytest.approx(expected.difference, rel=0.1)

    @pytest.mark.parametrize("dtype", [np.uint8, np.float64])
    def test_the_shift_matters_for_rounding_only(self, dtype: type) -> None:
        volume: NDArray[Any] = noise().astype(dtype)
        expected = Continuity.of(volume, 2)
        for shift in (-3.5, 0.0, 120.0):
            found = ContinuitySums.of(volume, 2, shift=shift)
            assert found.moments[0, 0].tolist() == pytest.approx(
                moments_of(volume - shift, 1, volume > -1, 0)[0].tolist()
            )
            assert found.continuity().along_z == pytest.approx(expected.along_z)
            assert found.continuity().difference == pytest.approx(expected.difference)

    def test_what_is_outside_may_be_no_number(self) -> None:
        volume, inside = noise(), noise(seed=1) > 90
        expected = ContinuitySums.of(volume, 2, inside)
        for background in (np.nan, np.inf):
            found = ContinuitySums.of(np.where(inside, volume, background), 2, inside)
            assert found.moments.tolist() == expected.moments.tolist()
            assert found.change.tolist() == expected.change.tolist()

    def test_they_survive_json(self) -> None:
        for lags in (0, 3):
            sums = ContinuitySums.of(noise() / 7, lags, shift=1 / 3)
            again = ContinuitySums.from_plain(json.loads(json.dumps(sums.to_plain())))
            assert again.moments.shape == (3, lags, 6)
            assert again.moments.tolist() == sums.moments.tolist()
            assert again.change.tolist() == sums.change.tolist()
            assert again.shift == sums.shift

    def test_other_plain_values_are_refused(self) -> None:
        plain = ContinuitySums.of(noise(), 2).to_plain()
        with pytest.raises(ValueError, match="cannot reshape"):
            ContinuitySums.from_plain(plain | {"change": [1.0]})
        with pytest.raises(KeyError):
            ContinuitySums.from_plain({"moments": plain["moments"]})

    def test_sums_of_other_lags_or_about_another_value_are_not_added(self) -> None:
        sums = ContinuitySums.of(noise(), 2)
        with pytest.raises(ValueError, match=r"found 2 lags about 0\.0 and 3 about 0\.0"):
            sums + ContinuitySums.of(noise(), 3)
        with pytest.raises(ValueError, match=r"found 2 lags about 0\.0 and 2 about 1\.0"):
            sums + ContinuitySums.of(noise(), 2, shift=1)
