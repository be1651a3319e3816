"""How far one image lies beside another of the same place, whatever the contrast of the two.

Edges lie at the same places in both, even where bright and dark are exchanged. So the images are compared by the
directions of their grey value gradients, with the angle doubled, by which a gradient and its opposite are the same
(the gradient fields of Haber & Modersitzki 2006, https://doi.org/10.1007/11866763_89; correlated by Fourier transform
as in Fitch et al. 2002, https://doi.org/10.5244/C.16.11, and only over the pixels that count, as in Padfield 2012,
https://doi.org/10.1109/TIP.2011.2181402).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft2

from txm2sem.arrays import mask_array
from txm2sem.metrics.masked import gaussian_over

MIN_SUPPORT = 0.98
"""A gradient counts where this share of the weights that smoothed it lies on valid pixels."""

PEAK_RADIUS = 6
"""The background of a correlation is what lies further from its peak than this [pixels]."""

CONFIDENT_HEIGHT = 6.0
"""A displacement counts if its peak rises so many standard deviations above the background ...

On tiles of 128 x 128 pixels of aligned phantoms nine peaks in ten reach 7. The highest peak of pairs that do not belong
together reached 5.8.
"""

CONFIDENT_RATIO = 1.3
"""... and is so many times as high as the next one."""


BAND = 64
"""Rows whose gradients are computed at a time: arrays of a whole slice would cost more time than what is done with
them."""


@dataclass(frozen=True)
class Displacement:
    """Where the peak of a correlation lies, and how much it can be trusted.

    Attributes:
        rows: by how much the first image lies further down than the second [pixels].
        columns: by how much it lies further right [pixels].
        height: of the peak above the background, in standard deviations of the background.
        ratio: height of the peak : height of the highest value away from it.
        inside: the peak is not at the border of what was searched.
    """

    rows: float
    columns: float
    height: float
    ratio: float
    inside: bool

    @property
    def length(self) -> float:
        """Length of the vector [pixels]."""
        return float(np.hypot(self.rows, self.columns))

    @property
    def confident(self) -> bool:
        """Whether the peak is clear enough for the vector to mean something."""
        return self.inside and self.height >= CONFIDENT_HEIGHT and self.ratio >= CONFIDENT_RATIO


@dataclass(frozen=True)
class Edges:
    """The gradients of an image, or of several tiles of it, (..., H, W).

    Attributes:
        directions: magnitude of the gradient, with twice its angle, complex; 0 where `counts` is not.
        counts: where the gradient is known.
        smoothed: the image that it is the gradient of; meaningful where `counts` is.
    """

    directions: NDArray[np.complex64]
    counts: NDArray[np.bool_]
    smoothed: NDArray[np.float32]

    def parts(self, windows: Sequence[tuple[slice, slice]]) -> Edges:
        """Return those of K parts of one size of an image, (K, h, w)."""
        return Edges(
            directions=np.stack([self.directions[window] for window in windows]),
            counts=np.stack([self.counts[window] for window in windows]),
            smoothed=np.stack([self.smoothed[window] for window in windows]),
        )


def edges(image: NDArray[Any], valid: NDArray[np.bool_], sigma: float) -> Edges:
    """Return the gradients of an image, smoothed over valid pixels only.

    Args:
        image: (H, W), any grey values.
        valid: pixels that take part (H, W).
        sigma: standard deviation of the Gaussian that smooths [pixels].
    """
    valid = mask_array(valid, image.shape)
    smoothed, support = gaussian_over(image, valid, sigma)
    counts = (support > MIN_SUPPORT) & valid
    # The gradient of the outermost pixels would be one-sided.
    counts[[0, -1]] = counts[:, [0, -1]] = False
    directions = np.zeros(smoothed.shape, np.complex64)
    for first in range(0, max(len(smoothed) - 2, 0), BAND):
        band = smoothed[first : first + BAND + 2]
        inside = slice(first + 1, first + len(band) - 1), slice(1, -1)
        down, right = (band[2:, 1:-1] - band[:-2, 1:-1]) / 2, (band[1:-1, 2:] - band[1:-1, :-2]) / 2
        magnitude = np.sqrt(down**2 + right**2)
        scale = np.divide(counts[inside], magnitude, out=np.zeros_like(magnitude), where=magnitude > 0)
        # The square of the complex number that the gradient is has twice its angle.
        directions[inside].real = (right + down) * (right - down) * scale
        directions[inside].imag = 2 * right * down * scale
    return Edges(directions, counts, smoothed)


@dataclass(frozen=True)
class Agreement:
    """How well two images agree at each displacement, up to a largest one; those of several tiles add up.

    Attributes:
        product: sum over the pixels that both have of the product of their edges, (..., 2 M + 1, 2 M + 1), no
            displacement in the middle.
        first: sum of the squares of the first image's edges over these pixels, of the same shape.
        second: the same of the second image.
    """

    product: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    @classmethod
    def of(cls, one: Edges, other: Edges, largest: int) -> Agreement:
        """Compare two images of one shape at all displacements of at most `largest` rows and columns.

        Raises:
            ValueError: the shapes differ.
        """
        if one.counts.shape != other.counts.shape:
            raise ValueError(f"expected images of one shape, found {one.counts.shape} and {other.counts.shape}")
        rows, columns = (next_fast_len(side + largest) for side in one.counts.shape[-2:])
        down, right = near_lags((rows, columns), largest)

        def transform(part: NDArray[Any]) -> NDArray[np.complex64]:
            transformed: NDArray[np.complex64] = rfft2(part.astype(np.float32), (rows, columns))
            return transformed

        def surface(product: NDArray[np.complex64]) -> NDArray[np.float64]:
            found: NDArray[np.float64] = (down @ product @ right).real.astype(np.float64)
            return found

        def squares(directions: NDArray[np.complex64]) -> NDArray[np.float32]:
            return directions.real**2 + directions.imag**2

        def transform_counts(counts: NDArray[np.bool_]) -> NDArray[np.complex64]:
            # Most tiles count all over: these are alike.
            whole = counts.all(axis=(-2, -1))
            if not whole.any():
                return transform(counts)
            transformed = np.empty((*whole.shape, rows, columns // 2 + 1), np.complex64)
            transformed[whole] = transform(np.ones(counts.shape[-2:]))
            transformed[~whole] = transform(counts[~whole])
            return transformed

        ours, theirs = one.directions, other.directions
        return cls(
            product=surface(
                transform(ours.real) * transform(theirs.real).conj()
                + transform(ours.imag) * transform(theirs.imag).conj()
            ),
            first=surface(transform(squares(ours)) * transform_counts(other.counts).conj()),
            second=surface(transform_counts(one.counts) * transform(squares(theirs)).conj()),
        )

    def __getitem__(self, tile: int) -> Agreement:
        return Agreement(self.product[tile], self.first[tile], self.second[tile])

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.product + other.product, self.first + other.first, self.second + other.second)

    def correlation(self) -> NDArray[np.float64]:
        """Return the correlation at each displacement of two images (H, W), within [-1, 1], (2 M + 1, 2 M + 1).

        It is 0 where there is none.
        """
        size = np.sqrt(np.maximum(self.first, 0) * np.maximum(self.second, 0))
        # Rounding errors of the Fourier transform must not pass for edges where there are none.
        enough = size > 1e-3 * size.max(initial=0)
        correlation: NDArray[np.float64] = np.divide(self.product, size, out=np.zeros_like(size), where=enough)
        return correlation

    def displacement(self) -> Displacement:
        """Return the displacement at which two images (H, W) agree best, to a fraction of a pixel (by a parabola)."""
        surface = self.correlation()
        largest = surface.shape[0] // 2
        row, column = (int(index) for index in np.unravel_index(np.argmax(surface), surface.shape))
        peak = float(surface[row, column])
        rows, columns = np.indices(surface.shape)
        background = surface[np.hypot(rows - row, columns - column) > PEAK_RADIUS]
        spread = float(background.std()) if background.size else 0.0
        inside = 0 < row < 2 * largest and 0 < column < 2 * largest
        if spread == 0 or peak <= 0:
            return Displacement(0.0, 0.0, 0.0, 0.0, False)
        return Displacement(
            rows=row - largest + (_parabola(*surface[row - 1 : row + 2, column]) if inside else 0.0),
            columns=column - largest + (_parabola(*surface[row, column - 1 : column + 2]) if inside else 0.0),
            height=(peak - float(background.mean())) / spread,
            ratio=peak / max(float(background.max()), 1e-6 * peak),
            inside=inside,
        )


@lru_cache(maxsize=4)
def near_lags(shape: tuple[int, int], largest: int) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Return the inverse of `rfft2` of a shape at lags of at most `largest` only, as factors to the left and right.

    Of 144 x 144 lags 33 x 33 matter: two products of matrices take a third of the time of the whole transform.
    """
    rows, columns = shape
    lags = np.arange(-largest, largest + 1)
    down = np.exp(2j * np.pi / rows * np.outer(lags, np.arange(rows)))
    # In half a transform, all but the first and (of an even side) last column stand for their mirror image, too.
    weight = np.full(columns // 2 + 1, 2.0)
    weight[0] = 1
    if columns % 2 == 0:
        weight[-1] = 1
    right = np.exp(2j * np.pi / columns * np.outer(np.arange(columns // 2 + 1), lags)) * weight[:, None]
    return down.astype(np.complex64), (right / (rows * columns)).astype(np.complex64)


def _parabola(before: float, peak: float, after: float) -> float:
    """Return where between -1 and 1 the parabola through three values, the middle one the largest, has its vertex."""
    curvature = before - 2 * peak + after
    return 0.5 * float(before - after) / float(curvature) if curvature < 0 else 0.0
