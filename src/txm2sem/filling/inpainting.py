"""Fill holes of an image from their surroundings, without learning: what a repair has to beat."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from txm2sem.arrays import grey_array, mask_array

TELEA_RADIUS = 5
"""Neighbourhood of each filled pixel [pixels]; with it OpenCV gives the numbers known for published patches."""


def telea(
    image: NDArray[np.uint8], mask: NDArray[np.bool_], radius: float = TELEA_RADIUS, *, from_black: bool = True
) -> NDArray[Any]:
    """Fill a masked region by fast marching from its border inwards.

    Telea 2004, https://doi.org/10.1080/10867651.2004.10487596, as OpenCV's `inpaint` with `INPAINT_TELEA` has it.

    Args:
        image: (H, W), 8 bits; what it shows inside the mask has no influence.
        mask: (H, W), True, or above 0, where it is to be filled.
        radius: neighbourhood that each filled pixel is averaged from [pixels].
        from_black: whether the region is filled from pixels of 0, too. Where those were not imaged, their black spreads
            into the region otherwise.

    Returns:
        (H, W), 8 bits; outside the mask the pixels of `image`.

    Raises:
        UserError: the arrays are not such ones.
    """
    image = grey_array(image, ("rows", "columns"), "image", ("uint8",))
    mask = mask_array(mask, image.shape)
    hole = mask if from_black else mask | (image == 0)
    filled = cv2.inpaint(image, hole.astype(np.uint8), radius, cv2.INPAINT_TELEA)
    return np.where(mask, filled, image)
