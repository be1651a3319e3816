"""Areas that two images have in common, also at other places: a copy, or the same place recorded once.

A slice of rock resembles another slice of the same rock, and detectors and tomography leave the same pattern in all
images. What only one and the same image has is its noise. So places are proposed by phase correlation (Kuglin & Hines
1975), which a common area of a few per cent stands out in, and confirmed by the correlation of what is left of small
windows when all structure larger than a few pixels is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2, rfftfreq
from scipy.ndimage import gaussian_filter1d

from txm2sem.arrays import mask_array
from txm2sem.metrics.masked import gaussian, gaussian_over

MIN_PEAK = 8.0
"""A place is looked at if its phase correlation is so many standard deviations above 0; noise reaches 5."""

MIN_OVERLAP = 8
"""Rows and columns of sketches that must overlap [pixels of the sketch]."""

DETAIL_SIGMA = 2.0
"""Structure larger than this is taken away before windows are compared [pixels]."""

WINDOW = 32
"""Side of the windows that are compared [pixels]."""

MOST_WINDOWS = 16
"""Windows are compared in at most so many rows, and columns, of an overlap, evenly spread."""


@dataclass(frozen=True)
class Sketch:
    """A small version of an image, to look for common areas with.

    Attributes:
        detail: structure of a few pixels, scaled to one contrast everywhere, 0 where nothing is known, (h, w).
        spectrum: its Fourier transform, padded to `padded`.
        padded: size to which it is padded, so that no shift wraps around.
        factor: rows and columns of the image that one of the sketch stands for.
    """

    detail: NDArray[np.float32]
    spectrum: NDArray[np.complex64]
    padded: tuple[int, int]
    factor: int

    @classmethod
    def of(cls, image: NDArray[Any], valid: NDArray[np.bool_], factor: int, shape: tuple[int, int]) -> Sketch:
        """Sketch an image by the means of blocks of `factor` x `factor` pixels.

        Args:
            image: (H, W), any grey values.
            valid: pixels that count (H, W).
            factor: 1 keeps the image's size.
            shape: of the largest sketch that this one will be compared with.
        """
        weight = mask_array(valid, image.shape).astype(np.float32)
        known = _blocks(weight, factor)
        grey = _blocks(image.astype(np.float32) * weight, factor) / np.maximum(known, np.float32(1e-6))
        counts = known > 0.5
        grey = np.where(counts, grey - gaussian_over(grey, counts, 4.0)[0], np.float32(0))
        contrast = np.sqrt(gaussian_over(grey**2, counts, 4.0)[0])
        detail: NDArray[np.float32] = np.clip(grey / np.maximum(contrast, np.float32(1e-6)), -4, 4)
        rows, columns = (next_fast_len(2 * side, real=True) for side in shape)
        return cls(detail, rfft2(detail, (rows, columns)).astype(np.complex64), (rows, columns), factor)


def likely_shifts(one: Sketch, other: Sketch, most: int = 2) -> list[tuple[int, int]]:
    """Return shifts (rows, columns) at which two images may show the same area, the likeliest first.

    Place p of `other` is place p + shift of `one`; shifts are in pixels of the sketches.

    Args:
        one: a sketch.
        other: another one of the same factor, made for the same `shape`.
        most: how many shifts to return at most.
    """
    cross = one.spectrum * other.spectrum.conj()
    size = np.abs(cross)
    rows, columns = one.padded
    phases = np.divide(cross, size, out=np.zeros_like(cross), where=size > 0)
    surface = irfft2(phases * _survival(one.padded), one.padded)
    spread = float(surface.std())
    # Beyond these shifts hardly anything overlaps, and the borders decide.
    for axis, side in enumerate(one.detail.shape):
        far = np.arange(max(side - MIN_OVERLAP, 1), surface.shape[axis] - max(side - MIN_OVERLAP, 1) + 1)
        surface[(slice(None),) * axis + (far,)] = 0
    found = []
    for _ in range(most):
        row, column = (int(index) for index in np.unravel_index(np.argmax(surface), surface.shape))
        if spread == 0 or surface[row, column] < MIN_PEAK * spread:
            break
        found.append(((row + rows // 2) % rows - rows // 2, (column + columns // 2) % columns - columns // 2))
        surface[np.ix_(np.arange(row - 2, row + 3) % rows, np.arange(column - 2, column + 3) % columns)] = 0
    return found


@dataclass(frozen=True)
class CommonArea:
    """What two images have in common at a shift.

    Attributes:
        rows, columns: place p of the other image is place p + (rows, columns) of the first [pixels].
        correlation: median over the windows that are the same in both, of their details.
        share: of the first image's valid area that is the same in both, 0 to 1.
        windows: how many windows are the same in both.
    """

    rows: int
    columns: int
    correlation: float
    share: float
    windows: int


def common_area(
    one: NDArray[Any],
    other: NDArray[Any],
    valid: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    shift: tuple[int, int],
    threshold: float,
) -> CommonArea:
    """Measure what two images have in common at a shift, in windows of `WINDOW` x `WINDOW` pixels.

    Args:
        one: (H, W), any grey values.
        other: of any shape.
        valid: pixels of each that count; windows with fewer than half of them are passed over.
        shift: place p of `other` is place p + shift of `one` [pixels].
        threshold: correlation from which a window is the same in both.
    """
    valid = mask_array(valid[0], one.shape), mask_array(valid[1], other.shape)
    windows = list(_windows(one.shape, other.shape, shift))
    counts = np.array([valid[0][window] & valid[1][moved] for window, moved in windows]).reshape(-1, WINDOW, WINDOW)
    chosen = np.flatnonzero(counts.mean(axis=(1, 2)) >= 0.5)
    found = np.zeros(0)
    if chosen.size:
        counts = counts[chosen]
        parts = np.array([(one[windows[index][0]], other[windows[index][1]]) for index in chosen], np.float32)
        found = _correlations(_details(parts[:, 0], counts), _details(parts[:, 1], counts), counts)
    same = found[found >= threshold]
    rows, columns = shift
    overlap = _overlap(one.shape, other.shape, shift)
    known = max(int(np.count_nonzero(valid[0])), 1)
    share = same.size / max(chosen.size, 1) * np.count_nonzero(valid[0][overlap]) / known
    return CommonArea(rows, columns, float(np.median(same)) if same.size else 0.0, float(share), same.size)


def refine_shift(
    one: NDArray[Any],
    other: NDArray[Any],
    sketches: tuple[Sketch, Sketch],
    shift: tuple[int, int],
    side: int = 128,
) -> tuple[int, int]:
    """Return a shift to the pixel, from one of `likely_shifts`, by phase correlation where the sketches agree best.

    Args:
        one: (H, W), any grey values.
        other: of any shape.
        sketches: of the two.
        shift: as `likely_shifts` returns it.
        side: of the part of the images that is compared [pixels].
    """
    factor = sketches[0].factor
    here, there = _overlap_pair(sketches[0].detail.shape, sketches[1].detail.shape, shift)
    alike = gaussian(sketches[0].detail[here] * sketches[1].detail[there], 6.0)
    middle = np.unravel_index(int(np.argmax(alike)), alike.shape)
    rough = (shift[0] * factor, shift[1] * factor)
    ours, theirs = _overlap_pair(one.shape, other.shape, rough)
    first, second = one[ours], other[theirs]
    if min(first.shape, default=0) < 8:
        return rough
    starts = [
        min(max(int(centre) * factor - side // 2, 0), max(length - side, 0))
        for centre, length in zip(middle, first.shape, strict=True)
    ]
    window = tuple(slice(start, start + side) for start in starts)
    parts = [part[window].astype(np.float32) for part in (first, second)]
    spectra = [rfft2(part - gaussian(part, DETAIL_SIGMA)) for part in parts]
    cross = spectra[0] * spectra[1].conj()
    size = np.abs(cross)
    surface = irfft2(np.divide(cross, size, out=np.zeros_like(cross), where=size > 0), parts[0].shape)
    # The sketch knows the shift to one of its pixels; what is further away is another peak.
    reach = min(factor + 1, min(parts[0].shape) // 2 - 1)
    near = surface[np.ix_(*(np.arange(-reach, reach + 1),) * 2)]
    row, column = (int(index) for index in np.unravel_index(int(np.argmax(near)), near.shape))
    return rough[0] + row - reach, rough[1] + column - reach


@lru_cache(maxsize=2)
def _survival(padded: tuple[int, int]) -> NDArray[np.float32]:
    """Return what is left of each frequency in a shift by a fraction of the sketch's pixels, of the finest least."""
    down, right = np.fft.fftfreq(padded[0])[:, None], rfftfreq(padded[1])
    left: NDArray[np.float64] = np.exp(-(np.pi**2) * (down**2 + right**2))
    return left.astype(np.float32)


def _blocks(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    rows, columns = (side // factor for side in image.shape)
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3))
    return means


def _overlap_pair(
    one: tuple[int, ...], other: tuple[int, ...], shift: tuple[int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where two images of these shapes overlap: in the first, and in the second."""
    starts = [max(offset, 0) for offset in shift]
    stops = [min(side, wide + offset) for side, wide, offset in zip(one, other, shift, strict=True)]
    here = tuple(slice(start, max(stop, start)) for start, stop in zip(starts, stops, strict=True))
    there = tuple(slice(part.start - offset, part.stop - offset) for part, offset in zip(here, shift, strict=True))
    return here, there


def _overlap(one: tuple[int, ...], other: tuple[int, ...], shift: tuple[int, int]) -> tuple[slice, ...]:
    return _overlap_pair(one, other, shift)[0]


def _windows(
    one: tuple[int, ...], other: tuple[int, ...], shift: tuple[int, int]
) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...]]]:
    """Yield windows of the overlap, evenly spread: in the first image, and in the second."""
    overlap = _overlap(one, other, shift)
    starts = []
    for part in overlap:
        room = part.stop - part.start - WINDOW
        count = min(room // WINDOW + 1, MOST_WINDOWS) if room >= 0 else 0
        starts.append((part.start + np.linspace(0, max(room, 0), count).round().astype(int)).tolist())
    for row in starts[0]:
        for column in starts[1]:
            window = (slice(row, row + WINDOW), slice(column, column + WINDOW))
            yield (
                window,
                tuple(slice(part.start - move, part.stop - move) for part, move in zip(window, shift, strict=True)),
            )


def _details(windows: NDArray[np.float32], counts: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return what is left of windows (K, h, w) when the Gaussian mean over the pixels that count is taken away.

    Each window is smoothed on its own. As they are small, a matrix product does it for all at once.
    """
    smoothing = gaussian_filter1d(np.eye(WINDOW, dtype=np.float32), DETAIL_SIGMA, axis=0)
    weight = counts.astype(np.float32)
    grey = windows * weight
    around = smoothing @ grey @ smoothing.T
    if not counts.all():
        around /= np.maximum(smoothing @ weight @ smoothing.T, np.float32(1e-6))
    details: NDArray[np.float32] = grey - around * weight
    # Windows without detail, such as black or saturated ones, are the same everywhere and say nothing.
    flat = details.std(axis=(1, 2)) <= 1e-4 * np.abs(grey).max(axis=(1, 2))
    details[flat] = 0
    return details


def _correlations(
    one: NDArray[np.float32], other: NDArray[np.float32], counts: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the correlation of each of two times K windows (K, h, w) over the pixels that count; 0 without detail."""
    number = counts.sum(axis=(1, 2), keepdims=True)
    # Details are 0 where pixels do not count.
    one, other = ((part - part.sum(axis=(1, 2), keepdims=True) / number) * counts for part in (one, other))
    products = [np.einsum("khw,khw->k", *pair) for pair in ((one, other), (one, one), (other, other))]
    size = np.sqrt(products[1] * products[2])
    correlations: NDArray[np.float64] = np.divide(products[0], size, out=np.zeros_like(size), where=size > 0)
    return correlations
