"""Similarity of a predicted image and the true one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
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
Values = NDArray[np.float64]

SSIM_WINDOW = 7
"""Side of the window of the structural similarity [pixels]."""

MS_SSIM_WINDOW = 11
"""Side of the Gaussian window of the multi-scale structural similarity, of sigma 1.5 [pixels of each scale]."""

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the scales of the multi-scale structural similarity, from the finest one, which add up to 1."""

_INSIDE = (slice(MS_SSIM_WINDOW // 2, -(MS_SSIM_WINDOW // 2)),) * 2
"""Pixels around which such a window is inside the image."""

AT_ONCE = 2**18
"""Pixels of predictions that are compared together: many small images are soon done together, large ones would not fit
into the processor's cache."""

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
    similarities = _similarities(*(_Windowed.of(image[..., None]) for image in (target, prediction)))
    if valid is None:
        margin = SSIM_WINDOW // 2
        return float(similarities[margin:-margin, margin:-margin].mean())
    whole = _windows(mask_array(valid, target.shape), SSIM_WINDOW)
    return float(_means(similarities.reshape(-1, 1), _weights([whole], target.shape))[0, 0])


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
    return float(_Scales(target, counted, {"all": everything}).similarities(prediction[..., None])[0, 0])


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
        self._names = list(regions)
        self._large = {name: region for name, region in inside.items() if np.count_nonzero(region) >= MIN_REGION}
        self._target = target.astype(np.float64).ravel()[:, None]
        self._counted = _weights(self._large.values(), target.shape)
        counts = self._counted.sum(axis=1, keepdims=True)
        self._sums = counts, self._counted @ self._target, self._counted @ self._target**2
        self._windowed = _Windowed.of(target[..., None])
        centres = _windows(valid, SSIM_WINDOW)
        self._centres = _weights((centres & region for region in self._large.values()), target.shape)
        self._scales = _Scales(target, valid, self._large)

    def similarity(self, prediction: Bytes) -> dict[str, dict[str, float]]:
        """Return `psnr`, `ssim`, `ms_ssim` and `pearson` of an 8-bit prediction (H, W) in each region.

        PSNR and correlation are over the valid pixels of a region. The structural similarities are means over those
        windows of `ssim` and `ms_ssim` whose centre is in the region; on the coarser scales of the latter by the share
        of the central pixel that is.
        """
        return self.similarities(prediction[None])[0]

    def similarities(self, predictions: Bytes) -> list[dict[str, dict[str, float]]]:
        """Return the `similarity` of each of several predictions (K, H, W); small ones are compared together."""
        count = max(AT_ONCE // len(self._target), 1)
        groups = (predictions[first : first + count] for first in range(0, len(predictions), count))
        return [scores for group in groups for scores in self._together(np.stack(list(group), axis=-1))]

    def _together(self, predictions: Bytes) -> list[dict[str, dict[str, float]]]:
        """Compare predictions, (H, W, K)."""
        number = predictions.shape[-1]
        psnrs, correlations = self._of_pixels(predictions.reshape(-1, number).astype(np.float64))
        structural = _similarities(self._windowed, _Windowed.of(predictions)).reshape(-1, number)
        found = {
            "psnr": psnrs,
            "ssim": _means(structural, self._centres),
            "ms_ssim": self._scales.similarities(predictions),
            "pearson": correlations,
        }
        place = {name: row for row, name in enumerate(self._large)}
        return [
            {
                name: {score: float(values[place[name], k]) if name in place else float("nan")
                       for score, values in found.items()}
                for name in self._names
            }
            for k in range(number)
        ]  # fmt: skip

    def _of_pixels(self, predictions: Values) -> tuple[Values, Values]:
        """Return PSNR and correlation of predictions (pixels, K), (regions, K); sums are whole numbers, and exact."""
        columns = np.concatenate([predictions, predictions**2, predictions * self._target], axis=1)
        ours, squares, products = np.split(self._counted @ columns, 3, axis=1)
        count, theirs, their_squares = self._sums
        with np.errstate(divide="ignore", invalid="ignore"):
            psnrs = 10 * np.log10(255**2 * count / (squares - 2 * products + their_squares))
            spread = (count * squares - ours**2) * (count * their_squares - theirs**2)
            correlations = np.where(spread > 0, (count * products - ours * theirs) / np.sqrt(spread), np.nan)
        return psnrs, correlations


def scales_of(shape: tuple[int, ...]) -> int:
    """Return on how many scales `ms_ssim` compares images of a shape, at most five; 0 where no window fits."""
    return sum(min(shape) >> scale >= MS_SSIM_WINDOW for scale in range(len(MS_SSIM_WEIGHTS)))


@dataclass(frozen=True)
class _Moments:
    """Images on one scale, their means and those of their squares over the window around each pixel, (H, W, K)."""

    image: Values
    mean: Values
    squares: Values


class _Scales:
    """A true image on the scales of `ms_ssim`, with the share of each region in each pixel.

    Args:
        target: 8 bits, (H, W).
        valid: pixels that count, (H, W).
        regions: what is scored, by name, (H, W).
    """

    def __init__(self, target: Bytes, valid: Mask, regions: Mapping[str, Mask]) -> None:
        self._count = scales_of(target.shape)
        self._regions = len(regions)
        # What each pixel of a scale counts, (H, W, 1); None: all of them whole.
        self._weights: list[Values | None] = [None if valid.all() else valid[..., None].astype(np.float64)]
        self._shares: list[Values] = []
        shares = np.array([region & valid for region in regions.values()], np.float64).reshape(-1, *target.shape)
        shares = np.moveaxis(shares, 0, -1)
        for scale in range(self._count if regions else 0):
            if scale:
                weight = self._weights[-1]
                self._weights.append(None if weight is None else _pooled(weight))
                shares = _pooled(shares)
            self._shares.append(shares[_INSIDE].reshape(-1, self._regions).T)
        # What sums over the window, or over 2 x 2 pixels, are multiplied by to be means of what counts.
        self._windows = [None if weight is None else _shared(_window_mean(weight)) for weight in self._weights]
        self._pools = [None if weight is None else _shared(weight) for weight in self._weights]
        self._target = self._moments(target[..., None]) if self._shares else []

    def similarities(self, predictions: Bytes) -> Values:
        """Return the multi-scale structural similarity of predictions (H, W, K) in each region, (regions, K).

        They are not numbers where no window fits.
        """
        if not self._shares:
            return np.full((self._regions, predictions.shape[-1]), np.nan)
        weights = np.array(MS_SSIM_WEIGHTS[: self._count]) / sum(MS_SSIM_WEIGHTS[: self._count])
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        found = np.ones((self._regions, predictions.shape[-1]))
        for scale, (x, y) in enumerate(zip(self._moments(predictions), self._target, strict=True)):
            product, squares = x.mean * y.mean, x.mean**2 + y.mean**2
            term = (2 * (self._mean(x.image * y.image, scale) - product) + c2) / (x.squares + y.squares - squares + c2)
            if scale == self._count - 1:
                term = term * (2 * product + c1) / (squares + c1)
            means = _means(term[_INSIDE].reshape(-1, term.shape[-1]), self._shares[scale])
            found *= np.maximum(means, 0) ** weights[scale]
        return found

    def _moments(self, images: Bytes) -> list[_Moments]:
        """Return images (H, W, K) on all scales, from the finest."""
        found: list[_Moments] = []
        values = images.astype(np.float64)
        for scale in range(self._count):
            if scale:
                weight, pool = self._weights[scale - 1], self._pools[scale]
                values = _pooled(values) if weight is None or pool is None else _pooled(values * weight) * pool
            found.append(_Moments(values, self._mean(values, scale), self._mean(values * values, scale)))
        return found

    def _mean(self, images: Values, scale: int) -> Values:
        """Return the means of images over the window around each pixel, by what the pixels count."""
        weight, window = self._weights[scale], self._windows[scale]
        return _window_mean(images) if weight is None or window is None else _window_mean(images * weight) * window


def _window_mean(images: Values) -> Values:
    """Return the means of images (H, W, K) over the Gaussian window of `ms_ssim` around each pixel."""
    kernel = _window_weights()
    smoothed = cv2.sepFilter2D(images, cv2.CV_64F, kernel, kernel, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smoothed, np.float64).reshape(images.shape)


@lru_cache(maxsize=1)
def _window_weights() -> Values:
    radius = MS_SSIM_WINDOW // 2
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / 1.5) ** 2)
    return np.asarray(weights / weights.sum(), np.float64)


def _shared(weights: Values) -> Values:
    """Return 1 / weights, 0 where there is no weight: products are done sooner than quotients with exceptions."""
    return np.divide(1, weights, out=np.zeros_like(weights), where=weights > 0)


def _pooled(image: Values) -> Values:
    """Return the means of 2 x 2 pixels; a last odd row or column is left out."""
    rows, columns = (side // 2 * 2 for side in image.shape[:2])
    even = image[:rows, :columns]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _windows(valid: Mask, side: int) -> Mask:
    """Return the centres of the square windows that lie in valid pixels whole."""
    square = np.ones((side, side), np.uint8)
    return cv2.erode(valid.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(np.bool_)


@dataclass(frozen=True)
class _Windowed:
    """Images with their means, and their variances, over the window of `ssim` around each pixel, (H, W, K) each."""

    image: Values
    mean: Values
    variance: Values

    @classmethod
    def of(cls, images: Bytes) -> _Windowed:
        """Measure images (H, W, K).

        Raises:
            UserError: they have no room for a window.
        """
        if min(images.shape[:2]) < SSIM_WINDOW:
            raise UserError(
                f"images of {images.shape[0]} x {images.shape[1]} pixels have no structural similarity; expected "
                f"{SSIM_WINDOW} x {SSIM_WINDOW} at least: pass a larger --patch_size, or --crop_size"
            )
        values = images.astype(np.float64)
        mean = _box_mean(values)
        return cls(values, mean, _SAMPLE * (_box_mean(values * values) - mean * mean))


_SAMPLE = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
"""What makes the mean square of the pixels of a window the variance of what they are a sample of."""


def _box_mean(images: Values) -> Values:
    """Return the means of images (H, W, K) over the window of `ssim` around each pixel."""
    smoothed = cv2.blur(images, (SSIM_WINDOW, SSIM_WINDOW), borderType=cv2.BORDER_REFLECT)
    return np.asarray(smoothed, np.float64).reshape(images.shape)


def _similarities(target: _Windowed, prediction: _Windowed) -> Values:
    """Return the structural similarity of images and a true one around each pixel, (H, W, K).

    As scikit-image's `structural_similarity` returns it, but for the last digits, in a fifth of the time: what is known
    of one image serves all that are compared with it.
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    product = target.mean * prediction.mean
    covariance = _SAMPLE * (_box_mean(target.image * prediction.image) - product)
    luminance = (2 * product + c1) / (target.mean**2 + prediction.mean**2 + c1)
    similarities: Values = luminance * (2 * covariance + c2) / (target.variance + prediction.variance + c2)
    return similarities


def _psnr(squares: float, count: int) -> float:
    """Return the PSNR of pixels whose differences have this sum of squares [dB]."""
    if not count:
        return float("nan")
    return float(10 * np.log10(255**2 * count / squares)) if squares else float("inf")


def _weights(regions: Iterable[Mask], shape: tuple[int, ...]) -> Values:
    """Return masks (H, W) as weights of all pixels, (regions, pixels)."""
    return np.array([region.ravel() for region in regions], np.float64).reshape(-1, math.prod(shape))


def _means(values: Values, weights: Values) -> Values:
    """Return the means of values (pixels, K) by weights (regions, pixels): (regions, K), NaN without weight."""
    totals = weights.sum(axis=1, keepdims=True)
    unknown = np.full((len(weights), values.shape[1]), np.nan)
    return np.asarray(np.divide(weights @ values, totals, out=unknown, where=totals > 0), np.float64)
