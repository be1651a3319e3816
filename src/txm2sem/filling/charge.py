"""Find charged regions in SEM slices where no masks of them are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, label

from txm2sem.data import TiffStack
from txm2sem.data.bars import find_bar, without_bar
from txm2sem.data.images import said_bar
from txm2sem.errors import UserError


def saturation_of(stack: TiffStack, text: str) -> float:
    """Return the grey value from which pixels count as saturated: the number given, or the largest one in the slices.

    Raises:
        UserError: the text is neither a number nor `auto`.
    """
    if text == "auto":
        images = (stack.read(index, *map(slice, stack.shape)) for index in range(len(stack)))
        bars = map(said_bar, stack.paths)
        return max(
            float(without_bar(image, find_bar(image, said)).max()) for image, said in zip(images, bars, strict=True)
        )
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--saturation {text}: expected a grey value such as 255, or auto") from None


def find_charge(sem: NDArray[Any], saturation: float, *, min_area: int) -> NDArray[np.bool_]:
    """Find charged regions: saturated and large enough.

    Bright grains that saturate are found, too, where they are large enough.

    Args:
        sem: (H, W), any dtype.
        saturation: grey value from which a pixel counts.
        min_area: smallest number of connected pixels (sides and corners).
    """
    regions, count = label(sem >= saturation, np.ones((3, 3)))
    areas = np.bincount(regions.ravel(), minlength=count + 1)
    large = areas >= min_area
    large[0] = False
    charge: NDArray[np.bool_] = large[regions]
    return charge


def dilated(mask: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """Return a mask (H, W) that reaches `distance` pixels further, in all directions."""
    if distance == 0 or not mask.any():
        return mask
    reached: NDArray[np.bool_] = distance_transform_edt(~mask) <= distance
    return reached
