"""Correlations of shapes whose own are known, and the same from boxes of any size."""

from __future__ import annotations

import numpy as np
import pytest
from boxed_volumes import Mask, ball, boxes_of, everything, flips, mixed, orders, shapes, volumes
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from txm2sem.morphology.boxes import Shape
from txm2sem.morphology.correlation import correlation_length, pairs

axes = st.sampled_from(range(3))


def counts_of(phase: Mask, axis: int, longest: int) -> NDArray[np.int64]:
    """Return the pairs in a volume that is valid everywhere."""
    return pairs(phase, np.ones_like(phase), axis, longest, everything(phase.shape))


def s2_of(phase: Mask, axis: int, longest: int) -> NDArray[np.float64]:
    both, valid = counts_of(phase, axis, longest)
    return np.asarray(both / valid)


def pairs_one_by_one(phase: Mask, valid: Mask, axis: int, longest: int) -> list[list[int]]:
    phase, valid = (np.moveaxis(mask, axis, 0) for mask in (phase & valid, valid))
    return [
        [int((mask[: max(len(mask) - lag, 0)] & mask[lag:]).sum()) for lag in range(longest + 1)]
        for mask in (phase, valid)
    ]


@given(volumes(), shapes, axes, st.integers(0, 8), st.integers(0, 2))
@example(mixed(), (3, 4, 5), 0, 8, 0)
@example(mixed(), (3, 4, 5), 1, 8, 0)
@example(mixed(), (3, 4, 5), 2, 8, 0)
def test_pairs_of_boxes_add_up_to_those_of_the_volume(
    volume: tuple[Mask, Mask], side: Shape, axis: int, longest: int, before: int
) -> None:
    phase, valid = volume
    found = np.zeros((2, longest + 1), np.int64)
    for _, read, core in boxes_of(phase.shape, side, before, longest + before):
        found += pairs(phase[read], valid[read], axis, longest, core)
    assert found.tolist() == pairs_one_by_one(phase, valid, axis, longest)


@given(volumes(), orders, flips)
def test_a_turned_volume_has_the_same_pairs(
    volume: tuple[Mask, Mask], order: tuple[int, int, int], flipped: tuple[int, ...]
) -> None:
    phase, valid = (np.flip(mask, flipped).transpose(order) for mask in volume)
    for axis, before in enumerate(order):
        found = pairs(phase, valid, axis, 4, everything(phase.shape))
        assert np.array_equal(found, pairs(*volume, before, 4, everything(volume[0].shape)))


@pytest.mark.parametrize("axis", range(3))
def test_a_random_medium_is_not_correlated(axis: int) -> None:
    s2 = s2_of(np.random.default_rng(0).random((70, 71, 72)) < 0.3, axis, 20)
    assert s2[0] == pytest.approx(0.3, abs=0.003)
    assert s2[1:] == pytest.approx(s2[0] ** 2, abs=0.002)


@pytest.mark.parametrize("axis", range(3))
def test_pairs_in_a_ball_are_what_it_shares_with_itself_moved(axis: int) -> None:
    radius = 20
    both, _ = counts_of(ball(radius), axis, 40)
    lag = np.arange(41) / radius
    expected = 4 / 3 * np.pi * radius**3 * (1 - 3 / 4 * lag + lag**3 / 16)
    assert both == pytest.approx(expected, abs=0.01 * expected[0])


@pytest.mark.parametrize("axis", range(3))
def test_a_checkerboard(axis: int) -> None:
    phase = np.indices((6, 8, 10)).sum(0) % 2 == 0
    assert s2_of(phase, axis, 4) == pytest.approx([0.5, 0, 0.5, 0, 0.5])


@pytest.mark.parametrize("axis", range(3))
def test_layers_are_correlated_across_and_along(axis: int) -> None:
    phase = np.moveaxis(np.tile(np.array([1, 1, 1, 0, 0, 0], bool), (7, 8, 10)), 2, axis)
    period = s2_of(phase, axis, 12)
    assert period[[6, 12]] == pytest.approx([0.5, 0.5])
    assert period[3] == pytest.approx(0)
    for other in {0, 1, 2} - {axis}:
        assert s2_of(phase, other, 5) == pytest.approx(0.5)


def test_twice_as_many_voxels_have_correlations_twice_as_long() -> None:
    rng = np.random.default_rng(5)
    phase = np.cumsum(rng.random((4, 4, 4000)) < 0.1, axis=2) % 2 == 0
    fine = phase.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    coarse_length, fine_length = (correlation_length(s2_of(volume, 2, 40)) for volume in (phase, fine))
    assert fine_length == pytest.approx(2 * coarse_length, rel=0.02)


def test_lengths_of_exponential_correlations() -> None:
    lags = np.arange(50)
    for fraction, length in ((0.3, 4), (0.5, 7.5), (0.9, 20)):
        s2 = fraction**2 + (fraction - fraction**2) * np.exp(-lags / length)
        assert correlation_length(s2) == pytest.approx(length, rel=0.01)
    # Of a line that changes its phase with a probability of 0.1 from voxel to voxel.
    changes = np.random.default_rng(6).random((20, 20, 3000)) < 0.1
    found = correlation_length(s2_of(np.cumsum(changes, axis=2) % 2 == 0, 2, 30))
    assert found == pytest.approx(-1 / np.log(1 - 2 * 0.1), rel=0.02)
    assert correlation_length(np.array([0.5, 0.25, 0.25])) == pytest.approx(1 - np.exp(-1))


def test_there_is_no_length_where_correlations_do_not_fall() -> None:
    layers = np.arange(12) % 6 < 3
    phase = np.tile(layers[:, None, None], (1, 5, 5))
    for s2 in (s2_of(phase, 2, 4), s2_of(phase[:, :, :1], 2, 0), np.zeros(5), np.ones(5), np.full(5, np.nan)):
        with np.errstate(all="raise"):
            assert np.isnan(correlation_length(s2))
    # Distances that no pair has are not known; they do not hide the others.
    with np.errstate(invalid="ignore"):
        beyond = s2_of(phase, 0, 20)
    assert np.isnan(beyond[12:]).all()
    assert 1 < correlation_length(beyond) < 3
