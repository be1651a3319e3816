"""The model that makes TXM from SEM: its blur, its fit, and what pixels that do not count do to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import TERMS, RidgeSums, blur, degradation_terms

RNG = np.random.default_rng(0)
IMAGE = RNG.uniform(-1, 1, (96, 80)).astype(np.float32)


def test_the_blur_is_a_gaussian_in_pixels() -> None:
    for sigma in (1.0, 4.0):
        np.testing.assert_allclose(blur(IMAGE, sigma), gaussian_filter(IMAGE, sigma, mode="mirror"), atol=2e-3)
    assert blur(IMAGE, 0) is IMAGE


def test_pixels_that_do_not_count_change_nothing_and_none_near_is_zero() -> None:
    valid = np.ones(IMAGE.shape, np.bool_)
    np.testing.assert_allclose(blur(IMAGE, 2, valid), blur(IMAGE, 2), atol=1e-6)
    valid[20:60] = False
    other = np.where(valid, IMAGE, np.float32(50))
    np.testing.assert_array_equal(blur(IMAGE, 2, valid), blur(other, 2, valid))
    assert (blur(IMAGE, 2, valid)[38:42] == 0).all()
    flat = np.full_like(IMAGE, 0.5)
    np.testing.assert_allclose(blur(flat, 2, valid)[valid], 0.5, atol=1e-5)


def test_the_fit_explains_blurs_and_squares_whatever_the_brightness_of_each_image() -> None:
    def made(sem: NDArray[np.float32]) -> NDArray[np.float32]:
        blurred = gaussian_filter(sem, 2, mode="mirror")
        return np.asarray(0.6 * blurred - 0.3 * blurred**2 + 0.1 * gaussian_filter(sem, 8, mode="mirror"), np.float32)

    sums = RidgeSums(TERMS)
    for number in range(4):
        sem = gaussian_filter(RNG.standard_normal((96, 96)), 2).astype(np.float32) * 4
        noise = RNG.normal(0, 0.02, sem.shape)
        txm = (made(sem) + noise + number).astype(np.float32)
        sums.add(np.stack([term.ravel() for term in degradation_terms(sem)]), txm.ravel())
    coefficients = sums.solve()
    other = gaussian_filter(RNG.standard_normal((96, 96)), 2).astype(np.float32) * 4
    found = sum(c * term for c, term in zip(coefficients, degradation_terms(other), strict=True))
    left = (made(other) - found) - np.mean(made(other) - found)
    assert left.std() < 0.1 * made(other).std()
