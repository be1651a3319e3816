"""How noisy an image is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

UNEVEN_NOISE = 2.0
"""The noise of images that go together may differ by this factor, as that of a detector does with the brightness."""

TRIMMED, TRIMMED_VARIANCE = 0.1, 0.623
"""Share of the largest differences of neighbours that is left out of the noise, as edges have these, and the variance
that a normal distribution of variance 1 has without them."""

ROUNDING = 12**-0.5
"""Standard deviation of the error of rounding to integers."""


def noise_level(image: NDArray[Any], valid: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the noise of an image (H, W), in its grey values; 0 where nothing is valid.

    From the finest diagonal differences of 2 x 2 pixels, (a - b - c + d) / 2, in which slopes cancel and white noise
    keeps its variance (Donoho & Johnstone 1994, https://doi.org/10.1093/biomet/81.3.425, with the Haar wavelet); the
    largest tenth, which edges have, is left out. (Their median would be 0 or 1 step of 8 bits.) Noise that was smoothed
    counts with what is left of it. That of rounding is the least that integers have.

    Args:
        image: (H, W).
        valid: pixels that count, (H, W).
    """
    rows, columns = (length // 2 * 2 for length in image.shape)
    corners = [(row, column) for row in (0, 1) for column in (0, 1)]
    whole = np.logical_and.reduce([valid[row:rows:2, column:columns:2] for row, column in corners])
    a, b, c, d = (image[row:rows:2, column:columns:2][whole].astype(np.float64) for row, column in corners)
    squares = np.sort(((a - b - c + d) / 2) ** 2)
    kept = squares[: squares.size - int(TRIMMED * squares.size)]
    if kept.size == 0:
        return 0.0
    least = ROUNDING if np.issubdtype(image.dtype, np.integer) else 0.0
    return max(float(np.sqrt(kept.mean() / TRIMMED_VARIANCE)), least)
