"""The noise of an image, whatever else is in it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from txm2sem.metrics import ROUNDING, noise_level

EVERYWHERE = np.ones((301, 200), np.bool_)


def noise(sigma: float) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(0, sigma, EVERYWHERE.shape)


@pytest.mark.parametrize("sigma", [0.5, 3.0, 400.0])
def test_it_is_the_standard_deviation_of_white_noise(sigma: float) -> None:
    """Of some 15,000 differences: the standard error is half a percent."""
    assert noise_level(noise(sigma), EVERYWHERE) == pytest.approx(sigma, rel=0.02)


def test_structure_is_not_noise() -> None:
    rows, columns = np.indices(EVERYWHERE.shape)
    slope = 5.0 * rows - 3.0 * columns
    grains = 100.0 * ((rows // 25 + columns // 25) % 2)
    assert noise_level(noise(3) + slope + grains, EVERYWHERE) == pytest.approx(3, rel=0.05)


def test_pixels_that_do_not_count_take_no_part() -> None:
    image = noise(3)
    valid = np.random.default_rng(1).random(image.shape) > 0.05
    image[~valid] = 1e6
    assert noise_level(image, valid) == pytest.approx(3, rel=0.03)
    assert noise_level(image, np.zeros_like(valid)) == 0


def test_integers_have_the_noise_of_rounding_at_least() -> None:
    assert noise_level(np.full((64, 64), 7, np.uint8), EVERYWHERE[:64, :64]) == pytest.approx(ROUNDING)
    assert noise_level(np.full((64, 64), 7.0), EVERYWHERE[:64, :64]) == 0
    rounded = np.round(128 + noise(3)).astype(np.uint8)
    assert noise_level(rounded, EVERYWHERE) == pytest.approx(3, rel=0.05)
