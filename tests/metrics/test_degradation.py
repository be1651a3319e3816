"""The model that makes TXM from SEM: what its fit explains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import TERMS, RidgeSums, degradation_terms

RNG = np.random.default_rng(0)


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
