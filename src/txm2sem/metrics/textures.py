"""What a tile of an image looks like, as a few numbers: grey values, spectrum, edges."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from txm2sem.arrays import mask_array

Values = NDArray[np.float64]

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

BANDS = (0.0, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 0.75)
"""Borders of the bands of spatial frequency [cycles per pixel]; the last reaches into the corners of the spectrum."""

FEATURES = (
    *("mean", "log spread"),
    *(f"quantile {value:g}" for value in QUANTILES),
    "log gradient energy",
    *(f"log power {low:.3g} to {high:.3g}" for low, high in pairwise(BANDS)),
)
"""Names of what `texture` returns, in its order."""

_TINY = 1e-8


def texture(tile: NDArray[np.float32], valid: NDArray[np.bool_] | None = None) -> Values:
    """Return the `FEATURES` of a tile.

    Mean; log10 of the standard deviation; quantiles as distances from the mean in standard deviations; log10 of the
    mean squared gradient; log10 of the mean power, per pixel, in each band of frequency. (Where a small tile has no
    frequency in a band, that nearest to its middle.)

    Args:
        tile: (H, W) of at least 2 x 2 pixels, in [-1, 1].
        valid: pixels that count, (H, W), some at least; the others are filled with the mean. All where absent.
    """
    valid = None if valid is None else mask_array(valid, tile.shape)
    counted = tile[valid].astype(np.float64) if valid is not None else tile.ravel().astype(np.float64)
    mean, spread = counted.mean(), counted.std()
    centred = tile.astype(np.float64) - mean
    if valid is not None:
        centred = np.where(valid, centred, 0.0)
    quantiles = (np.quantile(counted, QUANTILES) - mean) / max(spread, _TINY)
    slopes = np.diff(centred, axis=0)[:, :-1] ** 2 + np.diff(centred, axis=1)[:-1] ** 2
    powers = _band_powers(centred)
    return np.concatenate(
        [[mean, np.log10(spread + _TINY)], quantiles, np.log10([slopes.mean() + _TINY, *(powers + _TINY)])]
    )


def _band_powers(centred: Values) -> Values:
    taper, weights = _spectrum_of(centred.shape)
    power = np.abs(np.fft.rfft2(centred * taper)) ** 2 / (taper**2).sum()
    return np.array([power[band].mean() for band in weights])


@lru_cache(maxsize=8)
def _spectrum_of(shape: tuple[int, int]) -> tuple[Values, list[tuple[NDArray[np.int64], ...]]]:
    """Return the window and the places of each band in the half spectrum of a tile's shape."""
    taper = np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))
    radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None])
    radius[0, 0] = np.inf  # the mean
    bands = []
    for low, high in pairwise(BANDS):
        inside = (radius >= low) & (radius < high)
        if not inside.any():
            distance = np.abs(radius - (low + high) / 2)
            inside = distance == distance.min()
        bands.append(inside.nonzero())
    return taper, bands
