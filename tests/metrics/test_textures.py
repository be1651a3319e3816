"""What tiles look like, and how far one lies from others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import FEATURES, Normality, texture

RNG = np.random.default_rng(0)
NOISE = RNG.normal(0.2, 0.1, (256, 256)).astype(np.float32)


def feature(tile: NDArray[np.float32], name: str) -> float:
    return float(texture(tile)[[found.startswith(name) for found in FEATURES].index(True)])


def test_white_noise_has_its_variance_in_every_band() -> None:
    found = dict(zip(FEATURES, texture(NOISE), strict=True))
    assert found["mean"] == pytest.approx(0.2, abs=0.01)
    assert found["log spread"] == pytest.approx(-1, abs=0.02)
    assert found["quantile 0.95"] == pytest.approx(1.645, abs=0.08)
    assert found["log gradient energy"] == pytest.approx(np.log10(0.04), abs=0.03)
    for name, value in found.items():
        if name.startswith("log power"):
            assert value == pytest.approx(-2, abs=0.15), name


def test_blur_takes_the_fine_bands_and_contrast_the_spread() -> None:
    smooth = gaussian_filter(NOISE, 2)
    assert feature(smooth, "log power 0.375") < feature(NOISE, "log power 0.375") - 3
    assert feature(3 * NOISE, "log spread") == pytest.approx(feature(NOISE, "log spread") + np.log10(3), abs=1e-4)


def test_pixels_that_do_not_count_change_nothing() -> None:
    valid = np.ones(NOISE.shape, np.bool_)
    np.testing.assert_allclose(texture(NOISE, valid), texture(NOISE))
    valid[:10] = False
    np.testing.assert_array_equal(texture(NOISE, valid), texture(np.where(valid, NOISE, np.float32(-9)), valid))


@pytest.mark.parametrize("shape", [(8, 8), (2, 3), (17, 64)])
def test_any_tile_has_finite_features(shape: tuple[int, int]) -> None:
    assert np.isfinite(texture(NOISE[: shape[0], : shape[1]])).all()
    assert np.isfinite(texture(np.zeros(shape, np.float32))).all()


def test_the_distance_is_that_of_the_distribution() -> None:
    mixing = np.array([[2.0, 0, 0], [1.0, 0.5, 0], [0, 0, 3.0]])
    samples = RNG.standard_normal((5000, 3)) @ mixing + 7
    usual = Normality.of(samples)
    unmixed = np.array([[3.0, 0, 0], [0, 4, 0], [0, 0, 5]])
    np.testing.assert_allclose(usual.distance(unmixed @ mixing + 7), [3, 4, 5], rtol=0.05)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_few_samples_and_constant_features_do_no_harm(count: int) -> None:
    samples = np.hstack([RNG.standard_normal((count, 12)), np.ones((count, 1))])
    usual = Normality.of(samples)
    assert np.isfinite(usual.distance(samples)).all()
    assert usual.distance(samples + 10)[0] > 5 * usual.distance(samples).max()
