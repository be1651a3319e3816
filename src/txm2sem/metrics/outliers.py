"""How far a sample lies from others: Mahalanobis distance with a shrunk covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LEAST_SPREAD = 1e-3
"""Features that differ less than this among the samples are taken to differ by it."""


@dataclass(frozen=True)
class Normality:
    """Mean and shrunk covariance of samples that are usual.

    Attributes:
        mean: of each feature, (K,).
        spread: standard deviation of each, (K,).
        precision: inverse of the shrunk covariance of the standardised features, (K, K).
    """

    mean: Values
    spread: Values
    precision: Values

    @classmethod
    def of(cls, samples: Values) -> Normality:
        """Return those of samples (N, K).

        The covariance of the standardised features is drawn towards the identity, as far as its entries are uncertain
        (Ledoit & Wolf 2004, Journal of Multivariate Analysis 88, 365), and by 1 / N at least.
        """
        mean, spread = samples.mean(axis=0), np.maximum(samples.std(axis=0), LEAST_SPREAD)
        standardised = (samples - mean) / spread
        count, size = standardised.shape
        covariance = standardised.T @ standardised / count
        scale = np.trace(covariance) / size
        distance = ((covariance - scale * np.eye(size)) ** 2).sum()
        products = standardised[:, :, None] * standardised[:, None, :]
        uncertainty = ((products - covariance) ** 2).sum() / count**2
        # A few samples may agree on their products by chance, which says nothing of the directions they do not span.
        share = np.clip(uncertainty / distance, 1 / count, 1) if distance > 0 else 1.0
        shrunk = (1 - share) * covariance + share * max(scale, LEAST_SPREAD) * np.eye(size)
        return cls(mean, spread, np.linalg.inv(shrunk))

    def distance(self, samples: Values) -> Values:
        """Return the Mahalanobis distance of samples (N, K), (N,)."""
        standardised = (samples - self.mean) / self.spread
        distances: Values = np.sqrt(np.maximum(np.einsum("nk,kl,nl->n", standardised, self.precision, standardised), 0))
        return distances
