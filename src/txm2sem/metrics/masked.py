"""Gaussians and correlations over those pixels only that count."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from txm2sem.arrays import mask_array

MIN_SUPPORT = 1e-6
"""Where less than this share of the weights lies on pixels that count, nothing is known."""


def gaussian(image: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    """Return an image smoothed by a Gaussian.

    As `scipy.ndimage.gaussian_filter` with its defaults (cut at 4 sigma, mirrored at the borders), but for rounding, in
    a seventh of the time.

    Args:
        image: (H, W), any grey values.
        sigma: standard deviation [pixels], above 0.
    """
    side = 2 * int(4 * sigma + 0.5) + 1
    grey = np.ascontiguousarray(image, np.float32)
    smoothed: NDArray[Any] = cv2.GaussianBlur(grey, (side, side), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smoothed, np.float32)


def gaussian_over(
    image: NDArray[Any], valid: NDArray[np.bool_] | None, sigma: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return an image smoothed by a Gaussian over its valid pixels only, and the share of the weights that lie on them.

    The normalised convolution of Knutsson & Westin 1993, https://doi.org/10.1109/CVPR.1993.341081: G(image valid) /
    G(valid).

    Args:
        image: (H, W), any grey values; those of pixels that are not valid change nothing.
        valid: pixels that count, (H, W); all where absent.
        sigma: standard deviation [pixels], above 0.

    Returns:
        the smoothed image, also beside valid pixels, and 0 where the share is below `MIN_SUPPORT`; and the share, 0 to
        1. Both (H, W).
    """
    valid = None if valid is None else mask_array(valid, image.shape)
    if valid is None or valid.all():
        return gaussian(image, sigma), np.ones(image.shape, np.float32)
    support = gaussian(valid, sigma)
    sums = gaussian(np.where(valid, image, 0), sigma)
    return np.divide(sums, support, out=np.zeros_like(sums), where=support > MIN_SUPPORT), support


def correlations(
    one: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]], counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the correlation of K pairs of images (K, H, W) over the pixels that count, (K,).

    It is not a number where one of the two has no contrast, or nothing counts.
    """
    number = np.maximum(counts.sum(axis=(1, 2), keepdims=True), 1)
    ours, theirs = (np.where(counts, image, 0).astype(np.float64) for image in (one, other))
    ours, theirs = ((part - part.sum(axis=(1, 2), keepdims=True) / number) * counts for part in (ours, theirs))
    product, first, second = (
        np.einsum("khw,khw->k", *pair) for pair in ((ours, theirs), (ours, ours), (theirs, theirs))
    )
    size = np.sqrt(first * second)
    found: NDArray[np.float64] = np.divide(product, size, out=np.full(size.shape, np.nan), where=size > 0)
    return found
