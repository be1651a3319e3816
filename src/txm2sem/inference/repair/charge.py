"""Find charged regions in SEM slices where no masks of them are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

from txm2sem.data import TiffStack
from txm2sem.errors import UserError


def saturation_of(stack: TiffStack, text: str) -> float:
    """Return the grey value from which pixels count as saturated: the number given, or the largest one in the slices.

    Raises:
        UserError: the text is neither a number nor `auto`.
    """
    if text == "auto":
        return max(float(stack.read(index, *map(slice, stack.shape)).max()) for index in range(len(stack)))
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--saturation {text}: expected a grey value such as 255, or auto") from None


def find_charge(sem: NDArray[Any], saturation: float, *, min_area: int, dilation: int) -> NDArray[np.bool_]:
    """Find charged regions: saturated, large enough, and a margin around them.

    Bright grains that saturate are found, too, where they are large enough.

    Args:
        sem: (H, W), any dtype; pixels of 0 are never charged.
        saturation: grey value from which a pixel counts.
        min_area: smallest number of connected pixels (sides and corners).
        dilation: how far the mask reaches beyond them [pixels].
    """
    regions, count = label(sem >= saturation, np.ones((3, 3)))
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    large = areas >= min_area
    large[0] = False
    charge: NDArray[np.bool_] = large[regions]
    if charge.any() and dilation > 0:
        charge = distance_transform_edt(~charge) <= dilation
    charge &= sem != 0
    return charge
