"""What a blurred image says of another one: the terms of a model that makes TXM from SEM, and its fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from txm2sem.metrics.masked import gaussian_over

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

WIDTHS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Standard deviations of the Gaussians that blur the SEM [pixels]."""

TERMS = 2 * len(WIDTHS)
"""Terms of the model."""

RIDGE = 1e-3
"""Weight of the penalty on coefficients of standardised terms: neighbouring widths say nearly the same."""


def degradation_terms(sem: Image, valid: Mask | None = None) -> Iterator[Image]:
    """Yield the `TERMS` of the model, (H, W) each: the SEM (H, W) in [-1, 1], blurred by each width, and its square.

    The square is taken of the blurred image, not blurred of the square: predictions have less noise than the SEM, which
    the latter would see as a difference.
    """
    for sigma in WIDTHS:
        blurred = gaussian_over(sem, valid, sigma)[0] if sigma else sem
        yield blurred
        yield blurred**2


class RidgeSums:
    """Sums over images from which a linear model follows, without keeping the images.

    Hoerl & Kennard 1970 (Technometrics 12, 55), on terms that are standardised. Terms and target are taken as
    differences from their mean in each image: how bright an image is as a whole is not for the model to explain.
    """

    def __init__(self, terms: int) -> None:
        self.count = 0
        self.products = np.zeros((terms + 1, terms + 1))

    def add(self, terms: NDArray[np.float32], target: NDArray[np.float32]) -> None:
        """Add an image: `terms` (K, N) of its pixels, and what they are to explain (N,)."""
        both = np.vstack([terms, target[None]]).astype(np.float64)
        both -= both.mean(axis=1, keepdims=True)
        self.count += both.shape[1]
        self.products += both @ both.T

    def solve(self) -> NDArray[np.float64]:
        """Return the coefficients (K,) of the terms as they are, not standardised."""
        covariance = self.products / self.count
        spreads = np.sqrt(np.maximum(np.diag(covariance)[:-1], 1e-12))
        standardised = covariance[:-1, :-1] / np.outer(spreads, spreads) + RIDGE * np.eye(len(spreads))
        coefficients: NDArray[np.float64] = np.linalg.solve(standardised, covariance[:-1, -1] / spreads) / spreads
        return coefficients
