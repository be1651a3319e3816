"""What of two images of different instruments can be compared: structure of one size, of even contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from txm2sem.metrics import gaussian_over
from txm2sem.registration.transforms import reduction

CLIP = 3.0
"""Largest value that remains: a grain of pyrite must not outweigh all else."""

MIN_SUPPORT = 0.5
"""A value counts where this share of the weights that smoothed it lies on valid pixels."""


@dataclass(frozen=True)
class Level:
    """An image made comparable, reduced by a whole factor.

    Attributes:
        values: (H, W), of mean 0 and variance 1 around every pixel, 0 where they do not count.
        counts: where they are known (H, W), 0 or 1.
        factor: pixels of the image in one of the level.
    """

    values: NDArray[np.float32]
    counts: NDArray[np.float32]
    factor: int


def comparable(image: NDArray[Any], valid: NDArray[np.bool_], factor: int, sigma: float, surroundings: float) -> Level:
    """Reduce an image, smooth it, and take from each pixel the mean of what is around, in units of its spread.

    Args:
        image: (H, W), any grey values.
        valid: pixels that count (H, W).
        factor: by which it is reduced; rows and columns beyond a multiple are left out.
        sigma: standard deviation of the Gaussian that smooths [pixels of the reduced image].
        surroundings: that of the one that says what is around [pixels of the reduced image].
    """
    grey, share = reduced(image, valid, factor)
    known = share >= MIN_SUPPORT
    smooth, support = gaussian_over(grey, known, sigma)
    mean = around(smooth, known, surroundings)
    rest = np.where(known, smooth - mean, 0)
    variance = around(rest**2, known, surroundings)
    counts = known & (support >= MIN_SUPPORT)
    floor = 1e-6 * float(variance[counts].max(initial=0)) + 1e-12
    values = np.where(counts & (variance > floor), rest / np.sqrt(np.maximum(variance, floor)), 0)
    return Level(np.clip(values, -CLIP, CLIP).astype(np.float32), counts.astype(np.float32), factor)


def reduced(
    image: NDArray[Any], valid: NDArray[np.bool_], factor: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean of the valid pixels in each square of `factor` pixels, and their share."""
    rows, columns = (max(side // factor, 1) for side in image.shape)
    part = slice(0, rows * factor), slice(0, columns * factor)
    share = valid[part].astype(np.float32)
    grey = np.where(valid[part], image[part], 0).astype(np.float32)
    if factor > 1:
        grey, share = (
            np.asarray(cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
            for part in (grey, share)
        )
    return np.divide(grey, share, out=np.zeros_like(grey), where=share > 0), share


def around(values: NDArray[np.float32], known: NDArray[np.bool_], sigma: float) -> NDArray[np.float32]:
    """Return the mean of what is around each pixel; where that is wide, computed on a reduced image."""
    few = max(int(sigma / 3), 1)
    grey, share = reduced(values, known, few)
    mean, _ = gaussian_over(grey, share >= MIN_SUPPORT, sigma / few)
    if few == 1:
        return mean
    # Pixel centres of the reduced image are those of squares.
    back = reduction(few)[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    wide = cv2.warpAffine(mean, back, values.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(wide, np.float32)
