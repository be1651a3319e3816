"""Images by spatial frequency: radial power spectra, and the Fourier ring correlation of two images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2, rfftfreq

from txm2sem.metrics.periods import RESOLUTION_THRESHOLD, finest_period

GRID_FREQUENCIES: dict[int, tuple[tuple[float, float], ...]] = {
    2: ((0, 1 / 2), (1 / 2, 0), (1 / 2, 1 / 2)),
    4: ((0, 1 / 4), (1 / 4, 0), (1 / 4, 1 / 4), (1 / 4, -1 / 4), (1 / 4, 1 / 2), (1 / 2, 1 / 4)),
}
"""Frequencies (along a column, along a row) of patterns that repeat every 2 pixels, and those that every 4 pixels add:
the traces of layers that upsample by these factors [cycles per pixel]."""

_NEAREST, _FARTHEST = 3, 6


@dataclass(frozen=True)
class Spectrum:
    """A quantity by spatial frequency.

    Attributes:
        frequencies: mean frequency of each ring, (K,), ascending [cycles per pixel], up to 1/2.
        values: (K,).
    """

    frequencies: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Transformed:
    """The Fourier transform of an image: all its spectra follow from it, and it is computed once.

    Attributes:
        values: half the transform of the image less its mean, times a Hann window, (H, W // 2 + 1) complex128.
        shape: (H, W) of the image.
        weight: sum of the squares of the window.
    """

    values: NDArray[np.complex128]
    shape: tuple[int, int]
    weight: float

    @classmethod
    def of(cls, image: NDArray[Any]) -> Transformed:
        """Transform an image (H, W), any grey values.

        Raises:
            ValueError: a side is shorter than 8 pixels.
        """
        if image.ndim != 2 or min(image.shape) < 8:
            raise ValueError(f"expected an image (H, W) of at least 8 x 8 pixels, found the shape {image.shape}")
        rows, columns = image.shape
        window = _hann((rows, columns))
        # Its own weighted mean, so that nothing of it leaks through the window to the lowest frequencies.
        grey = np.asarray(image, np.float64)
        windowed = (grey - np.average(grey, weights=window)) * window
        return cls(rfft2(windowed), (rows, columns), float(np.sum(window**2)))

    @cached_property
    def power(self) -> Spectrum:
        """See `power_spectrum`."""
        rings = rings_of(self.shape)
        return Spectrum(rings.frequencies, self._ring_powers / self.weight)

    def correlation(self, other: Transformed) -> Spectrum:
        """See `fourier_ring_correlation`."""
        rings = rings_of(self.shape)
        cross = rings.mean((self.values * other.values.conj()).real)
        product = self._ring_powers * other._ring_powers
        values = np.divide(cross, np.sqrt(product), out=np.zeros_like(cross), where=product > 0)
        return Spectrum(rings.frequencies, values)

    def grid_power(self) -> dict[int, NDArray[np.float64]]:
        """See `grid_power`."""
        result = {}
        for factor, (rows, columns) in _grid_places(self.shape).items():
            near = np.abs(self.values[rows, columns]) ** 2 / self.weight
            result[factor] = np.stack([near[:, 0], near[:, 1:].mean(axis=1)], axis=1)
        return result

    @cached_property
    def _ring_powers(self) -> NDArray[np.float64]:
        return rings_of(self.shape).mean(np.abs(self.values) ** 2)


def power_spectrum(image: NDArray[Any]) -> Spectrum:
    """Return the radially averaged power spectrum of an image [grey values squared x pixels].

    |F(u)|^2 / sum w^2, averaged over rings of equal frequency, one frequency step of the shorter side wide; F is the
    discrete Fourier transform of (image - mean) w, w a Hann window, without which the edges of the image would be
    structure of all frequencies. White noise of variance s^2 has the value s^2 at all frequencies. The mean is left
    out.

    Args:
        image: (H, W), any grey values; at least 8 pixels on each side.

    Raises:
        ValueError: the image is smaller.
    """
    return Transformed.of(image).power


def fourier_ring_correlation(one: NDArray[Any], other: NDArray[Any]) -> Spectrum:
    """Return the correlation of two images of one shape at each spatial frequency, within [-1, 1].

    Re sum F1 F2* / sqrt(sum |F1|^2 sum |F2|^2) over rings as in `power_spectrum`; Saxton & Baumeister 1982,
    https://doi.org/10.1111/j.1365-2818.1982.tb00405.x. 0 where one of them has no power.

    Args:
        one: (H, W), any grey values; at least 8 pixels on each side.
        other: (H, W).

    Raises:
        ValueError: the images are smaller, or of different shapes.
    """
    return compare_spectra(one, other)[2]


def compare_spectra(one: NDArray[Any], other: NDArray[Any]) -> tuple[Spectrum, Spectrum, Spectrum]:
    """Return the `power_spectrum` of two images of one shape and their `fourier_ring_correlation`.

    Args:
        one: (H, W), any grey values; at least 8 pixels on each side.
        other: (H, W).

    Raises:
        ValueError: the images are smaller, or of different shapes.
    """
    if one.shape != other.shape:
        raise ValueError(f"compare_spectra: expected two images of one shape, found {one.shape}, {other.shape}")
    first, second = Transformed.of(one), Transformed.of(other)
    return first.power, second.power, first.correlation(second)


def resolution(correlation: Spectrum, threshold: float = RESOLUTION_THRESHOLD) -> float:
    """Return the finest period down to which a Fourier ring correlation stays above a threshold [pixels].

    1 / frequency of the first crossing, between rings by linear interpolation; 2 (Nyquist) where there is none,
    infinite where the first ring is below already. The threshold of 1/7 is that of Rosenthal & Henderson 2003,
    https://doi.org/10.1016/j.jmb.2003.07.013, for two independent halves of the data.

    Args:
        correlation: as `fourier_ring_correlation` returns it.
        threshold: the correlation that counts as resolved.
    """
    return float(finest_period(correlation.frequencies, correlation.values, threshold))


def noise_floor_frequency(power: Spectrum) -> float:
    """Return the frequency at which a power spectrum meets its noise floor [cycles per pixel].

    The floor is the exponential that fits the upper half of the frequencies, from 1/4 to 0.45: noise alone where the
    optics resolve less, and it falls there as a reconstruction smooths it. The spectrum meets it where it comes down to
    twice the floor for good. An image that is resolved to the pixel has no such floor; then the result is where its
    spectrum bends, and means little: look at a Fourier ring correlation, too.

    Args:
        power: as `power_spectrum` returns it, mean over as many parts as there are.
    """
    frequencies, values = power.frequencies, np.maximum(power.values, np.finfo(np.float64).tiny)
    upper = (frequencies >= 0.25) & (frequencies <= 0.45)
    slope, offset = np.polyfit(frequencies[upper], np.log(values[upper]), 1)
    above = np.flatnonzero(values > 2 * np.exp(min(slope, 0.0) * frequencies + offset))
    return float(frequencies[above[-1]]) if above.size else float(frequencies[0])


def deviation_db(prediction: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 10 log10 of predicted over true power, of any shape [dB]: 0 where they agree, negative where too smooth.

    Minus infinity where nothing is predicted; not a number where neither has power.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return 10 * np.log10(np.divide(prediction, target))


def grid_power(image: NDArray[Any]) -> dict[int, NDArray[np.float64]]:
    """Return the power at the frequencies of a checkerboard beside that around them, which white noise has alike.

    The ratio of the two, 10 log10 [dB], is 0 for images without a preferred grid and large where a network's
    upsampling shows (Odena et al. 2016, https://doi.org/10.23915/distill.00003). Of a single image it scatters by about
    6 dB, so take the means of both over many images first. Power is as in `power_spectrum`.

    Args:
        image: (H, W), any grey values; at least 8 pixels on each side. Frequencies are exact where the sides are
            multiples of 4.

    Returns:
        By the factors of `GRID_FREQUENCIES`: (frequencies, 2), the power there, and the mean power of the frequencies
        that are 3 to 6 steps away, beyond the reach of the Hann window.

    Raises:
        ValueError: the image is smaller.
    """
    return Transformed.of(image).grid_power()


@lru_cache(maxsize=8)
def _grid_places(shape: tuple[int, int]) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return where in half a transform each frequency of `GRID_FREQUENCIES` is, and then those around it: by factor the
    rows and columns, (frequencies, places)."""
    steps = np.arange(-_FARTHEST, _FARTHEST + 1)
    down, right = (step.ravel() for step in np.meshgrid(steps, steps, indexing="ij"))
    distance = np.hypot(down, right)
    around = (distance >= _NEAREST) & (distance <= _FARTHEST)
    down, right = (np.concatenate([[0], step[around]]) for step in (down, right))
    places = {}
    for factor, frequencies in GRID_FREQUENCIES.items():
        centres = np.rint(np.array(frequencies) * shape).astype(np.int64)
        rows, columns = (centres[:, :1] + down) % shape[0], (centres[:, 1:] + right) % shape[1]
        # Those of the other half are their mirror images.
        mirrored = columns > shape[1] // 2
        places[factor] = np.where(mirrored, -rows % shape[0], rows), np.where(mirrored, shape[1] - columns, columns)
    return places


@lru_cache(maxsize=8)
def _hann(shape: tuple[int, ...]) -> NDArray[np.float64]:
    window: NDArray[np.float64] = np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))
    window.flags.writeable = False
    return window


@lru_cache(maxsize=8)
def rings_of(shape: tuple[int, ...]) -> Rings:
    """Return the rings of images of a shape (H, W)."""
    return Rings(shape)


class Rings:
    """The rings of equal frequency in half a Fourier transform, from the lowest frequency to Nyquist.

    The corners beyond it are left out: there, only diagonals are resolved.

    Attributes:
        count: K, how many there are.
        numbers: the ring, from 1, of each value of a flattened half transform, (H (W // 2 + 1),); 0 is none.
        weights: what each value counts in the mean over its ring.
        sums: the sum of the weights of each ring, (K,).
        frequencies: the mean frequency of each ring, (K,) [cycles per pixel].
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        rows, columns = shape
        vertical = np.abs(np.fft.fftfreq(rows))[:, None]
        frequency = np.hypot(vertical, rfftfreq(columns)[None])
        self.count = min(rows, columns) // 2
        numbers = np.rint(frequency * 2 * self.count).astype(int)
        inside = (numbers >= 1) & (numbers <= self.count)
        # In half a transform, all but the first and (of an even side) last column stand for their mirror image, too.
        weight = np.full(frequency.shape, 2.0)
        weight[:, 0] = 1
        if columns % 2 == 0:
            weight[:, -1] = 1
        self.numbers = np.where(inside, numbers, 0).ravel()
        self.weights = np.where(inside, weight, 0.0).ravel()
        self.sums = np.bincount(self.numbers, self.weights, self.count + 1)[1:]
        self.frequencies = self.mean(frequency)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean of values (H, W // 2 + 1) over each ring, (K,)."""
        sums = np.bincount(self.numbers, self.weights * values.ravel(), self.count + 1)[1:]
        means: NDArray[np.float64] = sums / self.sums
        return means
