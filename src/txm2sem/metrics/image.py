"""Similarity of a predicted image and the true one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from txm2sem.arrays import mask_array
from txm2sem.errors import UserError

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SSIM_WINDOW = 7
"""Side of the window of the structural similarity [pixels]."""

MS_SSIM_WINDOW = 11
"""Side of the Gaussian window of the multi-scale structural similarity, of sigma 1.5 [pixels of each scale]."""

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales of the multi-scale structural similarity, from the finest one, which add up to 1."""

MIN_REGION = 64
"""Pixels that a region of an image must have to be scored: of fewer, scores are chance [pixels]."""


def psnr(prediction: NDArray[np.uint8], target: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> float:
    """Return the peak signal-to-noise ratio 10 log10(255² / MSE) of two 8-bit images (H, W) [dB].

    Infinite for equal images.

    Args:
        prediction: (H, W).
        target: (H, W).
        valid: pixels that count (H, W); all where absent. Not a number where none counts.
    """
    if valid is not None:
        counted = mask_array(valid, target.shape)
        prediction, target = prediction[counted], target[counted]
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(peak_signal_noise_ratio(target, prediction, data_range=255)) if target.size else float("nan")


def ssim(prediction: NDArray[np.uint8], target: NDArray[np.uint8], valid: NDArray[np.bool_] | None = None) -> float:
    """Return the structural similarity of two 8-bit images (H, W), in [-1, 1], 1 for equal images.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, with scikit-image's defaults (7 x 7 uniform window,
    sample covariance), as the published numbers were computed.

    Args:
        prediction: (H, W).
        target: (H, W).
        valid: pixels that count (H, W); then the mean is taken over the windows that lie in them whole. Not a number
            where there is none.

    Raises:
        UserError: the images have no room for a window.
    """
    mean, similarities = _similarities(prediction, target)
    if valid is None:
        return mean
    return _mean(similarities, _windows(mask_array(valid, target.shape), SSIM_WINDOW))


def ms_ssim(prediction: Bytes, target: Bytes, valid: Mask | None = None) -> float:
    """Return the multi-scale structural similarity of two 8-bit images (H, W), in [0, 1], 1 for equal images.

    Wang, Simoncelli & Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216, equation 7: the product of the mean
    contrast-structure terms of all scales and the mean luminance term of the coarsest one, to the powers of
    `MS_SSIM_WEIGHTS`, with Gaussian windows of 11 x 11 pixels inside the image and scales by means of 2 x 2 pixels.
    Images with a side below 176 pixels have no room for a window on five scales: they have as many scales as it fits
    on, and the weights of these, the finer ones, are divided by their sum. So scores of patches of different sizes
    are not comparable. A mean that is negative (structures that are opposite) counts as 0.

    Args:
        prediction: (H, W).
        target: (H, W).
        valid: pixels that count (H, W). Windows are cut to them, as whole ones of the coarser scales would be too large
            for most images, and count by the share of their central pixel that does. Not a number where none counts.
    """
    everything = np.ones(target.shape, bool)
    counted = everything if valid is None else mask_array(valid, target.shape)
    return _ms_ssim(prediction, target, counted, {"all": everything})["all"]


def pearson(prediction: NDArray[Any], target: NDArray[Any], valid: Mask | None = None) -> float:
    """Return the correlation coefficient (Pearson) of the grey values of two images (H, W), in [-1, 1].

    It does not see brightness and contrast. Not a number where one of the images is constant.
    """
    if valid is not None:
        counted = mask_array(valid, target.shape)
        prediction, target = prediction[counted], target[counted]
    if not target.size:
        return float("nan")
    one, other = (image - image.mean(dtype=np.float64) for image in (prediction, target))
    norm = np.sqrt(np.sum(one * one) * np.sum(other * other))
    return float(np.sum(one * other) / norm) if norm > 0 else float("nan")


def similarity(
    prediction: Bytes, target: Bytes, valid: Mask, regions: Mapping[str, Mask]
) -> dict[str, dict[str, float]]:
    """Return `psnr`, `ssim`, `ms_ssim` and `pearson` of two 8-bit images in each of several regions.

    PSNR and correlation are over the valid pixels of a region. The structural similarities are means over those windows
    of `ssim` and `ms_ssim` whose centre is in the region; on the coarser scales of the latter by the share of the
    central pixel that is.

    Args:
        prediction: (H, W).
        target: (H, W).
        valid: pixels that count, (H, W).
        regions: parts of the image by name, (H, W) each. Those with fewer than `MIN_REGION` valid pixels are not
            scored: their scores are not numbers.
    """
    valid = mask_array(valid, target.shape)
    regions = {name: mask_array(region, target.shape) for name, region in regions.items()}
    _, similarities = _similarities(prediction, target)
    windows = _windows(valid, SSIM_WINDOW)
    inside = {name: region & valid for name, region in regions.items()}
    large = {name: region for name, region in inside.items() if np.count_nonzero(region) >= MIN_REGION}
    multiscale = _ms_ssim(prediction, target, valid, large)
    scores = {name: dict.fromkeys(("psnr", "ssim", "ms_ssim", "pearson"), float("nan")) for name in regions}
    for name, region in large.items():
        scores[name] = {
            "psnr": psnr(prediction, target, region),
            "ssim": _mean(similarities, windows & region),
            "ms_ssim": multiscale[name],
            "pearson": pearson(prediction, target, region),
        }
    return scores


def scales_of(shape: tuple[int, ...]) -> int:
    """Return on how many scales `ms_ssim` compares images of a shape, at most five; 0 where no window fits."""
    return sum(min(shape) >> scale >= MS_SSIM_WINDOW for scale in range(len(MS_SSIM_WEIGHTS)))


def _ms_ssim(prediction: Bytes, target: Bytes, valid: Mask, regions: Mapping[str, Mask]) -> dict[str, float]:
    count = scales_of(target.shape)
    if not count:
        return dict.fromkeys(regions, float("nan"))
    weights = np.array(MS_SSIM_WEIGHTS[:count]) / sum(MS_SSIM_WEIGHTS[:count])
    shares = {name: (region & valid).astype(np.float64) for name, region in regions.items()}
    means: dict[str, list[float]] = {name: [] for name in regions}
    margin = MS_SSIM_WINDOW // 2
    inside = slice(margin, -margin), slice(margin, -margin)
    for scale, (contrast, luminance) in enumerate(_scales(prediction, target, valid, count)):
        term = contrast * luminance if scale == count - 1 else contrast
        for name, share in shares.items():
            means[name].append(_mean(term[inside], share[inside]))
        shares = {name: _pooled(share) for name, share in shares.items()}
    return {name: float(np.prod(np.maximum(values, 0) ** weights)) for name, values in means.items()}


def _scales(
    prediction: Bytes, target: Bytes, valid: Mask, count: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the terms of contrast and structure, and of luminance, at each pixel, from the finest scale."""
    x, y = prediction.astype(np.float64), target.astype(np.float64)
    weight = None if valid.all() else valid.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    for _ in range(count):
        mean_x, mean_y, xx, xy, yy = _window_means((x, y, x * x, x * y, y * y), weight)
        product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
        yield (2 * (xy - product) + c2) / (xx + yy - squares + c2), (2 * product + c1) / (squares + c1)
        if weight is None:
            x, y = _pooled(x), _pooled(y)
        else:
            pooled = _pooled(weight)
            x, y = (_ratio(_pooled(image * weight), pooled) for image in (x, y))
            weight = pooled


def _window_means(
    images: Sequence[NDArray[np.float64]], weight: NDArray[np.float64] | None
) -> list[NDArray[np.float64]]:
    """Return the means of images over the window around each pixel, weighted where weights are given."""
    radius = MS_SSIM_WINDOW // 2
    if weight is None:
        return [gaussian_filter(image, 1.5, radius=radius) for image in images]
    total = gaussian_filter(weight, 1.5, radius=radius)
    return [_ratio(gaussian_filter(image * weight, 1.5, radius=radius), total) for image in images]


def _ratio(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values / weights, 0 where there is no weight."""
    return np.divide(values, weights, out=np.zeros_like(values), where=weights > 0)


def _pooled(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of 2 x 2 pixels; a last odd row or column is left out."""
    rows, columns = (side // 2 * 2 for side in image.shape)
    even = image[:rows, :columns]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _windows(valid: Mask, side: int) -> Mask:
    """Return the centres of the square windows that lie in valid pixels whole."""
    # An erosion by a square is one by a row of it and one by a column.
    rows: Mask = binary_erosion(valid, np.ones((side, 1)), border_value=0)
    windows: Mask = binary_erosion(rows, np.ones((1, side)), border_value=0)
    return windows


def _similarities(prediction: Bytes, target: Bytes) -> tuple[float, NDArray[np.float64]]:
    """Return the structural similarity of two images (H, W), and that around each pixel, (H, W)."""
    if min(target.shape) < SSIM_WINDOW:
        raise UserError(
            f"images of {target.shape[0]} x {target.shape[1]} pixels have no structural similarity; expected "
            f"{SSIM_WINDOW} x {SSIM_WINDOW} at least: pass a larger --patch_size, or --crop_size"
        )
    mean, similarities = structural_similarity(target, prediction, data_range=255, full=True)
    return float(mean), similarities


def _mean(values: NDArray[np.float64], weights: NDArray[Any]) -> float:
    """Return the weighted mean; not a number without weight."""
    total = weights.sum()
    return float(np.sum(values * weights) / total) if total > 0 else float("nan")
