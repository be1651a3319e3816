"""Gaussians over all pixels, and over those that count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import gaussian, gaussian_over


@pytest.mark.parametrize("shape", [(40, 57), (5, 7)])
@pytest.mark.parametrize("sigma", [0.8, 2.5, 8.0])
def test_it_is_that_of_scipy(shape: tuple[int, int], sigma: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    np.testing.assert_allclose(gaussian(image, sigma), gaussian_filter(image.astype(float), sigma), atol=1e-3)


def test_pixels_that_do_not_count_change_nothing_and_are_filled_from_around() -> None:
    valid = np.ones((40, 50), bool)
    valid[10:14, 20:26] = False
    image = np.full((40, 50), 70.0)
    image[~valid] = 1e5
    smoothed, support = gaussian_over(image, valid, 2.0)
    np.testing.assert_allclose(smoothed, 70, rtol=1e-5)
    np.testing.assert_allclose(support, gaussian_filter(valid.astype(float), 2.0), atol=1e-5)
    np.testing.assert_array_equal(gaussian_over(np.where(valid, image, np.nan), valid, 2.0)[0], smoothed)


def test_without_anything_that_counts_it_is_0() -> None:
    image, valid = np.full((30, 60), 9.0), np.zeros((30, 60), bool)
    valid[:, :5] = True
    smoothed, support = gaussian_over(image, valid, 1.0)
    assert not smoothed[:, 12:].any()
    assert not support[:, 12:].any()
    np.testing.assert_allclose(smoothed[:, :5], 9, rtol=1e-5)


def test_where_all_counts_it_is_the_plain_gaussian() -> None:
    image = np.random.default_rng(0).random((20, 30))
    smoothed, support = gaussian_over(image, np.ones(image.shape, bool), 1.5)
    np.testing.assert_array_equal(smoothed, gaussian(image, 1.5))
    assert (support == 1).all()
