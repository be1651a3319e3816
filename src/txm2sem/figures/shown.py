"""Which images are shown, and which of their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS = 12

LONGEST_SIDE = 1000
"""Large images are shown with every n-th pixel, so that no side is longer than this."""


def rows_to_show(count: int) -> list[int]:
    """Return the indices of at most a dozen patches, evenly spread over `count`, the first and the last included."""
    return sorted({round(position) for position in np.linspace(0, count - 1, min(count, ROWS))})


def thinned(image: NDArray[Any]) -> NDArray[Any]:
    """Return an image (rows, columns) that is small enough to be shown, see `LONGEST_SIDE`."""
    step = -(-max(image.shape) // LONGEST_SIDE)
    return np.ascontiguousarray(image[::step, ::step])
