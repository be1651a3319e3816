"""Down to which period images agree: what pages show of Fourier ring correlations, without what computes these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NYQUIST = 0.5
"""The highest frequency that a row or column of pixels can have [cycles per pixel]."""

RESOLUTION_THRESHOLD = 1 / 7
"""Correlation at which two images stop to agree: that of half the data each, at a signal-to-noise ratio of 1/2."""

REFERENCE_THRESHOLD = 1 / 2
"""Correlation at which an image stops to agree with a reference that is as good as free of noise: it corresponds to
1/7 between two images that have noise of their own (Rosenthal & Henderson 2003)."""


def finest_period(
    frequencies: NDArray[np.float64], correlations: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    """Return the `resolution` of many Fourier ring correlations (..., K) at the same frequencies (K,): (...) [pixels].

    Where they are not numbers, they are not below the threshold.
    """
    below = correlations < threshold
    first = below.argmax(axis=-1)
    after, before = first, np.maximum(first - 1, 0)
    above, under = (np.take_along_axis(correlations, at[..., None], axis=-1)[..., 0] for at in (before, after))
    rise = (frequencies[after] - frequencies[before]) * (above - threshold)
    crossing = frequencies[before] + np.divide(rise, above - under, out=np.zeros_like(above), where=first > 0)
    period: NDArray[np.float64] = np.where(first > 0, 1 / crossing, np.inf)
    return np.where(below.any(axis=-1), period, 1 / NYQUIST)
