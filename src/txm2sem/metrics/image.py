"""Similarity of a predicted image and the true one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

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
    return _psnr(np.square(target - prediction.astype(np.float64)).sum(), target.size)


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
    similarities = _similarities(_Windowed.of(target), _Windowed.of(prediction))
    if valid is None:
        margin = SSIM_WINDOW // 2
        return float(similarities[margin:-margin, margin:-margin].mean())
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
    return _Scales(target, counted, {"all": everything}).similarity(prediction)["all"]


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


class TrueImage:
    """A true image, with all that comparing predictions with it needs and that depends on none of them.

    Args:
        target: 8 bits, (H, W).
        valid: pixels that count, (H, W).
        regions: parts of the image by name, (H, W) each. Those with fewer than `MIN_REGION` valid pixels are not
            scored: their scores are not numbers.
    """

    def __init__(self, target: Bytes, valid: Mask, regions: Mapping[str, Mask]) -> None:
        valid = mask_array(valid, target.shape)
        inside = {name: mask_array(region, target.shape) & valid for name, region in regions.items()}
        self._target = target
        self._names = list(regions)
        self._large = {name: region for name, region in inside.items() if np.count_nonzero(region) >= MIN_REGION}
        self._windowed = _Windowed.of(target)
        centres = _windows(valid, SSIM_WINDOW)
        self._centres = {name: centres & region for name, region in self._large.items()}
        self._scales = _Scales(target, valid, self._large)

    def similarity(self, prediction: Bytes) -> dict[str, dict[str, float]]:
        """Return `psnr`, `ssim`, `ms_ssim` and `pearson` of an 8-bit prediction (H, W) in each region.

        PSNR and correlation are over the valid pixels of a region. The structural similarities are means over those
        windows of `ssim` and `ms_ssim` whose centre is in the region; on the coarser scales of the latter by the share
        of the central pixel that is.
        """
        similarities = _similarities(self._windowed, _Windowed.of(prediction))
        multiscale = self._scales.similarity(prediction)
        scores = {name: dict.fromkeys(("psnr", "ssim", "ms_ssim", "pearson"), float("nan")) for name in self._names}
        for name, region in self._large.items():
            predicted, true = prediction[region], self._target[region]
            scores[name] = {
                "psnr": psnr(predicted, true),
                "ssim": _mean(similarities, self._centres[name]),
                "ms_ssim": multiscale[name],
                "pearson": pearson(predicted, true),
            }
        return scores


def scales_of(shape: tuple[int, ...]) -> int:
    """Return on how many scales `ms_ssim` compares images of a shape, at most five; 0 where no window fits."""
    return sum(min(shape) >> scale >= MS_SSIM_WINDOW for scale in range(len(MS_SSIM_WEIGHTS)))


@dataclass(frozen=True)
class _Moments:
    """An image on one scale, with its means and the means of its squares over the window around each pixel, (H, W)."""

    image: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]


class _Scales:
    """A true image on the scales of `ms_ssim`, with the share of each region in each pixel.

    Args:
        target: 8 bits, (H, W).
        valid: pixels that count, (H, W).
        regions: what is scored, by name, (H, W).
    """

    def __init__(self, target: Bytes, valid: Mask, regions: Mapping[str, Mask]) -> None:
        count = scales_of(target.shape)
        self._regions = list(regions)
        # What each pixel of a scale counts; None: all of them whole.
        self._weights: list[NDArray[np.float64] | None] = [None if valid.all() else valid.astype(np.float64)]
        self._shares = [{name: (region & valid).astype(np.float64) for name, region in regions.items()}]
        for _ in range(count - 1):
            weight = self._weights[-1]
            self._weights.append(None if weight is None else _pooled(weight))
            self._shares.append({name: _pooled(share) for name, share in self._shares[-1].items()})
        self._totals = [None if weight is None else _window_mean(weight) for weight in self._weights]
        self._count = count
        self._target = self._moments(target)

    def similarity(self, prediction: Bytes) -> dict[str, float]:
        """Return the multi-scale structural similarity in each region; not numbers where no window fits."""
        if not self._count:
            return dict.fromkeys(self._regions, float("nan"))
        weights = np.array(MS_SSIM_WEIGHTS[: self._count]) / sum(MS_SSIM_WEIGHTS[: self._count])
        margin = MS_SSIM_WINDOW // 2
        inside = slice(margin, -margin), slice(margin, -margin)
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        means: dict[str, list[float]] = {name: [] for name in self._regions}
        for scale, (x, y) in enumerate(zip(self._moments(prediction), self._target, strict=True)):
            product, squares = x.mean * y.mean, x.mean**2 + y.mean**2
            term = (2 * (self._mean(x.image * y.image, scale) - product) + c2) / (x.squares + y.squares - squares + c2)
            if scale == self._count - 1:
                term = term * (2 * product + c1) / (squares + c1)
            for name, share in self._shares[scale].items():
                means[name].append(_mean(term[inside], share[inside]))
        return {name: float(np.prod(np.maximum(values, 0) ** weights)) for name, values in means.items()}

    def _moments(self, image: Bytes) -> list[_Moments]:
        """Return an image on all scales, from the finest."""
        found: list[_Moments] = []
        values = image.astype(np.float64)
        for scale in range(self._count):
            if scale:
                weight, pooled = self._weights[scale - 1], self._weights[scale]
                values = (
                    _pooled(values) if weight is None or pooled is None else _ratio(_pooled(values * weight), pooled)
                )
            found.append(_Moments(values, self._mean(values, scale), self._mean(values * values, scale)))
        return found

    def _mean(self, image: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
        """Return the means of an image over the window around each pixel, by what the pixels count."""
        weight, total = self._weights[scale], self._totals[scale]
        if weight is None or total is None:
            return _window_mean(image)
        return _ratio(_window_mean(image * weight), total)


def _window_mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of an image over the Gaussian window of `ms_ssim` around each pixel."""
    kernel = _window_weights()
    smoothed = cv2.sepFilter2D(image, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smoothed, np.float64)


@lru_cache(maxsize=1)
def _window_weights() -> NDArray[np.float64]:
    radius = MS_SSIM_WINDOW // 2
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / 1.5) ** 2)
    return np.asarray(weights / weights.sum(), np.float64)


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
    square = np.ones((side, side), np.uint8)
    return cv2.erode(valid.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(np.bool_)


@dataclass(frozen=True)
class _Windowed:
    """An image with its means, and its variances, over the window of `ssim` around each pixel, (H, W) each."""

    image: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def of(cls, image: Bytes) -> _Windowed:
        """Measure an image.

        Raises:
            UserError: it has no room for a window.
        """
        if min(image.shape) < SSIM_WINDOW:
            raise UserError(
                f"images of {image.shape[0]} x {image.shape[1]} pixels have no structural similarity; expected "
                f"{SSIM_WINDOW} x {SSIM_WINDOW} at least: pass a larger --patch_size, or --crop_size"
            )
        values = image.astype(np.float64)
        mean = _box_mean(values)
        return cls(values, mean, _SAMPLE * (_box_mean(values * values) - mean * mean))


_SAMPLE = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
"""What makes the mean square of the pixels of a window the variance of what they are a sample of."""


def _box_mean(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of an image over the window of `ssim` around each pixel."""
    return np.asarray(cv2.blur(image, (SSIM_WINDOW, SSIM_WINDOW), borderType=cv2.BORDER_REFLECT), np.float64)


def _similarities(target: _Windowed, prediction: _Windowed) -> NDArray[np.float64]:
    """Return the structural similarity of two images around each pixel, (H, W).

    As scikit-image's `structural_similarity` returns it, but for the last digits, in a fifth of the time: what is known
    of one image serves all that are compared with it.
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    product = target.mean * prediction.mean
    covariance = _SAMPLE * (_box_mean(target.image * prediction.image) - product)
    luminance = (2 * product + c1) / (target.mean**2 + prediction.mean**2 + c1)
    similarities: NDArray[np.float64] = luminance * (2 * covariance + c2) / (target.variance + prediction.variance + c2)
    return similarities


def _psnr(squares: float, count: int) -> float:
    """Return the PSNR of pixels whose differences have this sum of squares [dB]."""
    if not count:
        return float("nan")
    return float(10 * np.log10(255**2 * count / squares)) if squares else float("inf")


def _mean(values: NDArray[np.float64], weights: NDArray[Any]) -> float:
    """Return the weighted mean; not a number without weight."""
    total = weights.sum()
    return float(np.sum(values * weights) / total) if total > 0 else float("nan")
