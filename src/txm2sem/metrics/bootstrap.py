"""How far a mean would be off with other slices of the same rock: the bootstrap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
"""The share of the resamples that lies within an interval."""


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds of its 95 % interval; these are not numbers where not known."""

    value: float
    low: float
    high: float


class Resampling:
    """Resamples of whole slices, with replacement.

    Patches of a slice are alike, and may overlap, so they are not drawn singly: intervals would be much too narrow
    (cluster bootstrap; Davison & Hinkley 1997, Bootstrap Methods and their Application, section 3.8). With a single
    slice there is no interval; with few, intervals are rough and rather too narrow.

    Args:
        slices: the slice that each patch is from, (N,).
        rng: what the resamples are drawn from.
    """

    def __init__(self, slices: Sequence[int], rng: np.random.Generator) -> None:
        names, members = np.unique(slices, return_inverse=True)
        self.slices = len(names)
        draws = rng.multinomial(self.slices, np.full(self.slices, 1 / self.slices), RESAMPLES)
        # First the sample itself, then how often each patch is in each resample.
        self._weights = np.vstack([np.ones(len(members)), draws[:, members]])

    def interval(self, statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Interval:
        """Return a statistic with its percentile interval.

        Args:
            statistic: computes it for how often each patch is taken, (B, N) to (B,).
        """
        values = statistic(self._weights)
        resampled = values[1:][np.isfinite(values[1:])]
        if self.slices < 2 or not resampled.size or not np.isfinite(values[0]):
            return Interval(float(values[0]), float("nan"), float("nan"))
        low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
        return Interval(float(values[0]), low, high)

    def mean(self, values: Sequence[float] | NDArray[np.float64]) -> Interval:
        """Return the mean over patches of a value (N,) with its interval; patches of which it is not a number are left
        out."""
        return self.interval(lambda weights: weighted_mean(np.asarray(values, np.float64), weights))


def weighted_mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return means over patches of values (N,) or (N, K) for weights (B, N): (B,) or (B, K), NaN left out."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (weights @ np.where(known, values, 0)) / (weights @ known.astype(np.float64))
    return means
