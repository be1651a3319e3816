"""Visible tile borders: known answers, and what must hold for any image."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from txm2sem.metrics import SeamSums

stacks = arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=20))


def noise(shape: tuple[int, int, int] = (2, 96, 128), seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(100, 20, shape)


def ramp(columns: int = 128) -> NDArray[np.float64]:
    """Two images whose columns get brighter by 1 each."""
    return np.broadcast_to(np.arange(columns, dtype=np.float64), (2, 96, columns))


def test_the_score_is_the_step_at_the_border_over_the_step_nearby() -> None:
    planes = ramp() + 5 * (np.arange(128) >= 64)
    assert SeamSums.of(planes, [], [64]).score == 6
    assert SeamSums.of(planes, [], [56]).score == 8 / (7 + 6)
    assert SeamSums.of(planes.swapaxes(1, 2), [64], []).score == 6


def test_a_border_is_in_front_of_its_line() -> None:
    planes = ramp() + 5 * (np.arange(128) >= 64)
    for line in (63, 65):
        assert SeamSums.of(planes, [], [line]).score == 1


def test_a_step_down_counts_as_one_up_and_8_bit_grey_values_do_not_wrap_around() -> None:
    for left, right in ((250, 4), (4, 250)):
        planes = np.where(np.arange(128) < 64, left, right) + np.arange(128) // 8 % 2
        assert SeamSums.of(np.broadcast_to(planes, (1, 8, 128)).astype(np.uint8), [], [64]).score in (245, 247)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_the_checkerboard_of_a_network_is_no_seam(period: int) -> None:
    row = np.random.default_rng(period).normal(size=period)
    planes = np.broadcast_to(np.tile(row, 128 // period), (1, 16, 128))
    assert SeamSums.of(planes, [], [64]).score == pytest.approx(1)


def test_a_border_is_compared_with_four_lines_on_either_side_that_are_in_the_image() -> None:
    planes = noise((1, 4, 128))
    steps = np.abs(np.diff(planes, axis=2)).mean((0, 1))
    for border, nearby in (
        (64, (32, 40, 48, 56, 72, 80, 88, 96)),
        (24, (8, 16, 32, 40, 48, 56)),
        (112, (80, 88, 96, 104, 120)),
    ):
        expected = steps[border - 1] / np.mean([steps[line - 1] for line in nearby])
        assert SeamSums.of(planes, [], [border]).score == pytest.approx(expected)


def test_borders_are_not_compared_with_borders() -> None:
    planes = ramp() + 5 * (np.arange(128) >= 64) + 5 * (np.arange(128) >= 72)
    assert SeamSums.of(planes, [], [64, 72]).score == 6


def test_rows_and_columns_count_by_their_pixels() -> None:
    row_seam = 5 * (np.arange(96) >= 48)[:, None]
    planes = ramp() + np.arange(96)[:, None] + row_seam
    sums = SeamSums.of(planes, [48], [64])
    assert sums.score == pytest.approx((128 * 6 + 96 * 1) / (128 + 96))


def test_a_border_near_the_edge_counts_as_much_though_it_is_compared_with_fewer_lines() -> None:
    planes = ramp() + 3 * np.arange(96)[:, None]
    assert SeamSums.of(planes, [8], [64]).score == 1


def test_what_is_outside_does_not_count() -> None:
    planes = ramp() + 5 * (np.arange(128) >= 64) * (np.arange(96) < 32)[:, None]
    inside = np.zeros(planes.shape, np.bool_)
    inside[:, 32:] = True
    assert SeamSums.of(planes, [], [64]).score == pytest.approx(2 / 3 + 6 / 3)
    for background in (0, np.nan):
        assert SeamSums.of(np.where(inside, planes, background), [16], [64], inside).score == 1
    # A step needs both of its sides.
    inside[:, :, 63] = False
    assert math.isnan(SeamSums.of(planes, [], [64], inside).score)


def test_noise_has_a_score_of_1_with_an_error_that_is_its_spread() -> None:
    sums = [SeamSums.of(noise((2, 80, 100), seed), [16, 40, 64], [20, 50, 80]) for seed in range(200)]
    scores = [item.score for item in sums]
    assert np.mean(scores) == pytest.approx(1, abs=4 * np.std(scores) / 200**0.5)
    assert np.mean([item.standard_error**2 for item in sums]) ** 0.5 == pytest.approx(np.std(scores), rel=0.2)


def test_the_error_is_that_of_the_mean_where_all_borders_weigh_the_same() -> None:
    planes = ramp() + 5 * (np.arange(128) >= 64)
    sums = SeamSums.of(planes, [], [20, 64])
    assert sums.score == (1 + 6) / 2
    assert sums.standard_error == pytest.approx(np.std([1, 6], ddof=1) / 2**0.5)


def test_borders_may_come_in_any_order_and_twice() -> None:
    sums, expected = SeamSums.of(noise(), [64, 32, 64], [40, 20]), SeamSums.of(noise(), [32, 64], [20, 40])
    assert (sums.row_borders, sums.column_borders) == ((32, 64), (20, 40))
    assert sums.sums.tolist() == expected.sums.tolist()


def test_a_border_that_nothing_can_be_compared_with_does_not_count() -> None:
    planes = noise()[:, :5]
    assert SeamSums.of(planes, [2], [64]).score == SeamSums.of(planes, [], [64]).score


def test_without_borders_or_changes_there_is_no_score() -> None:
    for sums in (
        SeamSums.of(noise(), [], []),
        SeamSums.of(np.zeros((1, 64, 64)), [32], [32]),
        SeamSums.of(noise(), [48], [], np.zeros((2, 96, 128), np.bool_)),
        SeamSums.of(noise()[:0], [48], []),
        SeamSums.of(noise()[:, :5], [2], []),
    ):
        assert math.isnan(sums.score)
        assert math.isnan(sums.standard_error)


def test_one_border_has_a_score_without_an_error() -> None:
    sums = SeamSums.of(noise(), [48], [])
    assert math.isfinite(sums.score)
    assert math.isnan(sums.standard_error)
    hidden = np.ones((2, 96, 128), np.bool_)
    hidden[:, :, 60:] = False
    assert math.isnan(SeamSums.of(noise(), [48], [64], hidden).standard_error)


def test_without_a_step_at_any_border_the_score_is_0() -> None:
    planes = noise()
    planes[:, :, 64] = planes[:, :, 63]
    planes[:, :, 100] = planes[:, :, 99]
    assert SeamSums.of(planes, [], [64, 100]).score == 0
    assert SeamSums.of(planes, [], [64, 100]).standard_error == 0


@pytest.mark.parametrize("border", [0, -1, 96])
def test_borders_outside_the_image_are_refused(border: int) -> None:
    with pytest.raises(ValueError, match=rf"expected borders from 1 to 95, found \[{border}\]"):
        SeamSums.of(noise(), [48, border], [])


def test_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="found 2 axes"):
        SeamSums.of(noise()[0], [48], [])
    with pytest.raises(ValueError, match="expected inside of the planes' shape"):
        SeamSums.of(noise(), [48], [], np.ones((2, 96, 1), np.bool_))


def test_sums_at_other_borders_are_not_added() -> None:
    for rows, columns in (([32], [64]), ([], [48, 64]), ([48], [])):
        with pytest.raises(ValueError, match="expected sums at the same borders"):
            SeamSums.of(noise(), [48], [64]) + SeamSums.of(noise(), rows, columns)


def test_they_survive_json() -> None:
    for rows, columns in (([48, 16], [64]), ([], [])):
        sums = SeamSums.of(noise() / 7, rows, columns)
        again = SeamSums.from_plain(json.loads(json.dumps(sums.to_plain())))
        assert (again.row_borders, again.column_borders) == (sums.row_borders, sums.column_borders)
        assert again.sums.tolist() == sums.sums.tolist()
        assert again.sums.shape == sums.sums.shape
    with pytest.raises(ValueError, match="cannot reshape"):
        SeamSums.from_plain(sums.to_plain() | {"row_borders": [16]})


@settings(max_examples=60, deadline=None)
@given(st.data(), stacks, st.integers(0, 20))
def test_slices_add_up(data: st.DataObject, planes: NDArray[np.uint8], cut: int) -> None:
    rows, columns = (data.draw(st.sets(st.integers(1, side - 1))) for side in planes.shape[1:])
    inside = data.draw(arrays(np.bool_, planes.shape))
    one, other, whole = (
        SeamSums.of(planes[part], sorted(rows), sorted(columns), inside[part])
        for part in (slice(cut), slice(cut, None), slice(None))
    )
    assert (one + other).sums.tolist() == whole.sums.tolist()
    turned = SeamSums.of(planes.swapaxes(1, 2), sorted(columns), sorted(rows), inside.swapaxes(1, 2))
    assert turned.score == pytest.approx(whole.score, nan_ok=True)
