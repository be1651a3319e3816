"""Intervals of means over slices."""

from __future__ import annotations

import numpy as np
import pytest

from txm2sem.metrics import Resampling, weighted_mean


def test_an_interval_is_that_of_the_slices_not_of_the_patches() -> None:
    rng = np.random.default_rng(0)
    slices = np.repeat(np.arange(40), 25)
    values = rng.normal(0, 1, 40)[slices]
    found = Resampling(slices.tolist(), np.random.default_rng(0)).mean(values)
    assert found.value == pytest.approx(values.mean())
    # 40 independent values, not 1000.
    half = 1.96 * values.std() / np.sqrt(40)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.1)
    assert found.low < found.value < found.high


def test_one_slice_has_no_interval() -> None:
    found = Resampling([3, 3, 3], np.random.default_rng(0)).mean([1, 2, 6])
    assert found.value == 3
    assert np.isnan(found.low) and np.isnan(found.high)


def test_values_that_are_not_known_are_left_out() -> None:
    resampling = Resampling([0, 0, 1, 1], np.random.default_rng(0))
    found = resampling.mean([1, np.nan, 3, 5])
    assert found.value == 3
    assert (found.low, found.high) == (1, 4)
    nothing = resampling.mean([np.nan] * 4)
    assert np.isnan(nothing.value)


def test_the_same_generator_gives_the_same_interval() -> None:
    one, other = (Resampling(range(9), np.random.default_rng(1)).mean(np.arange(9.0)) for _ in range(2))
    assert one == other


def test_weighted_means_of_curves() -> None:
    curves = np.array([[1.0, 2.0], [3.0, np.nan]])
    means = weighted_mean(curves, np.array([[1.0, 1.0], [0.0, 1.0], [3.0, 1.0]]))
    np.testing.assert_allclose(means, np.array([[2, 2], [3, np.nan], [1.5, 2]]))
