"""The grey values of a phantom as its files have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIXTEEN_BITS = {"txm": (20000.0, 80.0), "sem": (4000.0, 160.0)}
"""Level of grey value 0 and levels per grey value in 16-bit files: detectors have an offset and leave room above."""


def to_levels(grey: NDArray[np.float32], name: str, bits: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return grey values of the `txm` or the `sem` as the files have them; 0, what was not imaged, stays 0."""
    if bits == 8:
        return np.asarray(np.rint(np.minimum(grey, 255)), np.uint8)
    offset, slope = SIXTEEN_BITS[name]
    levels = np.asarray(np.minimum(np.rint(offset + slope * grey), 65535), np.uint16)
    levels[grey == 0] = 0
    return levels
