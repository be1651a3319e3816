"""Continuity of a volume along z, beside what it is within the slices.

A volume that is translated slice by slice from a rock without a preferred direction should change along z as it does
in-plane. Where it changes faster, neighbouring slices do not fit each other.

Volumes are (z, y, x), of any grey values. `inside` (z, y, x) says which voxels count; those outside the field of view,
which are 0, would otherwise pass for perfectly continuous rock. A pair of voxels counts if both do.

A volume larger than memory is measured in blocks of whole slices, whose `ContinuitySums` add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.arrays import mask_array

Volume = NDArray[Any]
Inside = NDArray[np.bool_]

_NO_VARIANCE = 1e-12
"""Variances below this share of the mean square are rounding errors of a constant."""

_BYTE_CENTRE = 128
"""8-bit grey values are taken about this inside, so that none is further than 128 from it."""

_EXACT = 1024
"""So many products of two such values, each 2 ** 14 at most, add up without rounding even in float32."""

_AT_ONCE = 2**17
"""Values that are worked on together: few enough for the processor's cache."""


@dataclass(frozen=True)
class Continuity:
    """How a volume changes along z and in-plane. Numbers are NaN where they are not defined.

    Attributes:
        difference: see `adjacent_difference` [grey levels].
        along_z: see `autocorrelation`, along z, for the lags 1, 2, ...
        in_plane: the mean of those along y and along x.
    """

    difference: float
    along_z: tuple[float, ...]
    in_plane: tuple[float, ...]

    @classmethod
    def of(cls, volume: Volume, lags: int, inside: Inside | None = None) -> Continuity:
        """Measure a volume.

        Args:
            volume: (z, y, x).
            lags: the largest lag [pixels].
            inside: (z, y, x), which voxels count; None: all.
        """
        inside = _checked(volume, inside)
        return ContinuitySums.of(volume, lags, inside, shift=_any_of(volume, inside)).continuity()

    def ratio_to(self, other: Continuity) -> float:
        """Return the difference as a multiple of another volume's; NaN where the other is constant along z.

        Beside the TXM it says how much the translation amplifies change along z: above 1 already where it raises the
        contrast, so compare it between models, and with the truth where that is known.
        """
        return self.difference / other.difference if other.difference > 0 else math.nan


@dataclass(frozen=True, eq=False)
class ContinuitySums:
    """What the continuity of a volume is computed from: sums over pairs of voxels, which add up over blocks.

    Attributes:
        moments: (3, lags, 6) float64: for the pairs (v, w) of voxels that are 1, 2, ... apart along z, y and x their
            number and the sums of v, w, v², v w and w², with v and w counted from `shift`.
        change: (2,) float64: the number of pairs of adjacent slices' voxels, and the sum of their |w - v|.
        shift: a grey value. Results do not depend on it, but rounding errors do: it should be no further from the
            grey values than about 10,000 times their standard deviation.
    """

    moments: NDArray[np.float64]
    change: NDArray[np.float64]
    shift: float

    @classmethod
    def of(
        cls, volume: Volume, lags: int, inside: Inside | None = None, every: int = 1, shift: float = 0.0
    ) -> ContinuitySums:
        """Sum over a block. Pairs of voxels that two blocks share are in neither's sums.

        Temporary memory is a few megabytes, whatever the block. 8-bit volumes take half the time of others.

        Args:
            volume: (z, y, x), some whole slices of a volume; there may be none.
            lags: the largest lag [pixels].
            inside: (z, y, x), which voxels count; None: all.
            every: a sample that takes less time: pairs along z and x come from every so many rows, the first included,
                pairs along y from as many columns.
            shift: see the class. 0 suits integers, and grey values around it; blocks that are added must agree on it.

        Raises:
            ValueError: the arrays' shapes are wrong.
        """
        inside = _checked(volume, inside)
        along_z, along_y, along_x = (_sums_along(volume, axis, lags, inside, every, shift) for axis in range(3))
        return cls(np.stack([along_z[0], along_y[0], along_x[0]]), along_z[1], float(shift))

    def __add__(self, other: ContinuitySums) -> ContinuitySums:
        if self.shift != other.shift or self.moments.shape != other.moments.shape:
            raise ValueError(
                f"expected sums of the same lags and shift, found {self.moments.shape[1]} lags about {self.shift} and "
                f"{other.moments.shape[1]} about {other.shift}"
            )
        return ContinuitySums(self.moments + other.moments, self.change + other.change, self.shift)

    def to_plain(self) -> dict[str, Any]:
        """Return lists and numbers, for JSON; `from_plain` makes exactly the same sums of them."""
        return {"moments": self.moments.tolist(), "change": self.change.tolist(), "shift": self.shift}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ContinuitySums:
        """Return the sums that `to_plain` has written.

        Raises:
            ValueError: these are not such sums, or not finite.
            KeyError: part of them is missing.
        """
        moments = np.asarray(plain["moments"], np.float64).reshape(3, -1, 6)
        change = np.asarray(plain["change"], np.float64).reshape(2)
        shift = float(plain["shift"])
        if not all(np.isfinite(numbers).all() for numbers in (moments, change, shift)):
            raise ValueError("expected finite sums")
        return cls(moments, change, shift)

    def continuity(self) -> Continuity:
        """Return the continuity of everything that was summed over."""
        along_z, along_y, along_x = (tuple(map(_correlation, moments)) for moments in self.moments)
        in_plane = tuple((y + x) / 2 for y, x in zip(along_y, along_x, strict=True))
        return Continuity(_mean_change(self.change), along_z, in_plane)


def adjacent_difference(volume: Volume, inside: Inside | None = None) -> float:
    """Return the mean absolute difference of adjacent slices, the mean of |v(z + 1, y, x) - v(z, y, x)|.

    Args:
        volume: (z, y, x).
        inside: (z, y, x), which voxels count; None: all.

    Returns:
        In the grey levels of the volume; 0 for slices that are all equal, NaN where there are no pairs.
    """
    inside = _checked(volume, inside)
    return _mean_change(_sums_along(volume, 0, 0, inside, 1, _any_of(volume, inside))[1])


def autocorrelation(volume: Volume, axis: int, lag: int, inside: Inside | None = None) -> float:
    """Return the correlation of voxels with those `lag` further along an axis, over all such pairs of the volume.

    With v the first and w the second of a pair, (mean(v w) - mean(v) mean(w)) / (std(v) std(w)): the correlogram of
    Isaaks and Srivastava, An Introduction to Applied Geostatistics, 1989, chapter 4. It has no unit and depends neither
    on brightness nor on contrast. Noise that is drawn anew for each slice lowers it along z.

    Args:
        volume: (z, y, x).
        axis: 0 for z, 1 for y, 2 for x.
        lag: distance [pixels], 1 or more.
        inside: (z, y, x), which voxels count; None: all.

    Returns:
        -1 to 1; NaN where there are no pairs, or where one side of them is constant.
    """
    inside = _checked(volume, inside)
    return _correlation(_sums_along(volume, axis, lag, inside, 1, _any_of(volume, inside))[0][-1])


def _mean_change(change: NDArray[np.float64]) -> float:
    pairs, total = change.tolist()
    return total / pairs if pairs else math.nan


def _correlation(moments: NDArray[np.float64]) -> float:
    """Return the correlation that six moments give, see `ContinuitySums`."""
    pairs = moments[0]
    if pairs == 0:
        return math.nan
    mean_v, mean_w, vv, vw, ww = (moments[1:] / pairs).tolist()
    variance_v, variance_w = vv - mean_v**2, ww - mean_w**2
    if variance_v <= _NO_VARIANCE * vv or variance_w <= _NO_VARIANCE * ww:
        return math.nan
    return float(np.clip((vw - mean_v * mean_w) / math.sqrt(variance_v * variance_w), -1, 1))


def _sums_along(
    volume: Volume, axis: int, lags: int, inside: Inside | None, every: int, shift: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the moments (lags, 6) of the pairs along an axis and, for z, the change of adjacent voxels; else zeros."""
    moments, change = np.zeros((lags, 6)), np.zeros(2)
    reach = min(max(lags, 1), volume.shape[axis] - 1)
    if volume.size == 0 or reach < 1:
        return moments, change
    centre, dtype = (_BYTE_CENTRE, np.float32) if volume.dtype == np.uint8 else (shift, np.float64)
    planes = _planes(volume, axis, every)
    planes_inside = [None] * len(planes) if inside is None else _planes(inside, axis, every)
    lines, length = planes[0].shape
    segments = _Segments(lines, length, reach, dtype)
    sums = np.zeros((6, segments.side, 2 * segments.side))
    for plane, plane_inside in zip(planes, planes_inside, strict=True):
        for start in range(0, len(plane), segments.at_once):
            group = slice(start, start + segments.at_once)
            segments.fill(plane[group], None if plane_inside is None else plane_inside[group], centre)
            sums += segments.products()
            if axis == 0:
                change[1] += segments.change()
    along = np.array([np.trace(sums, lag, 1, 2) for lag in range(1, reach + 1)])
    moments[:reach] = _about(along, centre - shift)[:lags]
    change[0] = along[0, 0] if axis == 0 else 0
    return moments, change


class _Segments:
    """Lines of voxels, one after the other with zeros between them and for what is outside, cut into short segments.

    The sums over all pairs of voxels are on the diagonals of the matrix products of the segments with themselves and
    with those that follow them, which takes a small part of the time of multiplying one lag after the other.

    Args:
        lines: how many there are in a plane.
        length: of a line [voxels].
        reach: the largest lag, less than the length.
        dtype: of the arithmetic.

    Attributes:
        side: length of a segment, at least the reach.
        at_once: so many lines are taken at a time.
    """

    def __init__(self, lines: int, length: int, reach: int, dtype: type[np.floating[Any]]) -> None:
        self.side = max(reach, 8)
        per_line = math.ceil((length + reach) / self.side)
        self.at_once = math.ceil(lines / math.ceil(lines * per_line * self.side / _AT_ONCE))
        portions = math.ceil(self.at_once * per_line / _EXACT)
        # One more, of zeros, is what follows the last.
        values = np.zeros((3, portions * _EXACT + 1, self.side), dtype)
        by_line = values[:, : self.at_once * per_line].reshape(3, self.at_once, per_line * self.side)
        self._lines = by_line[..., :length]
        in_portions = (3, portions, _EXACT, self.side)
        self._grey, self._weight, self._square = values[:, :-1].reshape(in_portions)
        self._next_grey, self._next_weight, self._next_square = values[:, 1:].reshape(in_portions)

    def fill(self, lines: NDArray[Any], inside: Inside | None, centre: float) -> None:
        """Take lines (line, voxel), at most `at_once`, with grey values counted from a centre."""
        grey, weight = self._lines[:2, : len(lines)]
        self._lines[:, len(lines) :] = 0
        # Copied in the order of memory first, as gathering from afar and transposing at once is slow.
        np.subtract(lines.copy("K"), centre, out=grey, dtype=grey.dtype)
        if inside is None:
            weight[:] = 1
        else:
            inside = inside.copy("K")
            weight[:] = inside
            # Not multiplied by the weights, as what is outside may be no number.
            np.copyto(grey, 0, where=~inside)
        np.square(self._grey, out=self._square)

    def products(self) -> NDArray[np.float64]:
        """Return the sums of products for each of the six moments.

        Returns:
            (6, side, 2 side): voxel i of a segment is the first of the pair, j of the same or j - side of the next
            segment the second.
        """
        grey_weight, square_weight = _summed(self._grey, self._weight), _summed(self._square, self._weight)
        within = [
            _summed(self._weight, self._weight),
            grey_weight,
            grey_weight.T,
            square_weight,
            _summed(self._grey, self._grey),
            square_weight.T,
        ]
        across = [
            _summed(self._weight, self._next_weight),
            _summed(self._grey, self._next_weight),
            _summed(self._weight, self._next_grey),
            _summed(self._square, self._next_weight),
            _summed(self._grey, self._next_grey),
            _summed(self._weight, self._next_square),
        ]
        return np.concatenate([within, across], axis=2)

    def change(self) -> float:
        """Return the sum of |w - v| over all pairs (v, w) of adjacent voxels."""
        grey, weight = self._grey.ravel(), self._weight.ravel()
        steps = np.abs(np.diff(grey))
        steps *= weight[1:]
        steps *= weight[:-1]
        return float(steps.sum(dtype=np.float64))


def _summed(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the sums (i, j) over all segments of products of their voxels i and j; both (portion, segment, voxel)."""
    products: NDArray[np.float64] = (first.swapaxes(1, 2) @ second).sum(0, np.float64)
    return products


def _about(moments: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
    """Return the moments (lags, 6) as they are when all values are larger by a distance."""
    pairs, v, w, vv, vw, ww = moments.T
    square = distance**2 * pairs
    return np.stack(
        [
            pairs,
            v + distance * pairs,
            w + distance * pairs,
            vv + 2 * distance * v + square,
            vw + distance * (v + w) + square,
            ww + 2 * distance * w + square,
        ],
        axis=1,
    )


def _planes(array: NDArray[Any], axis: int, every: int) -> list[NDArray[Any]]:
    """Return views (lines, length) of all lines along an axis, or of every so many, plane by plane."""
    if axis == 0:
        return [array[:, row].T for row in range(0, array.shape[1], every)]
    return [image[:, ::every].T if axis == 1 else image[::every] for image in array]


def _any_of(volume: Volume, inside: Inside | None) -> float:
    """Return one of the grey values that count."""
    for z in range(len(volume)):
        values = volume[z] if inside is None else volume[z][inside[z]]
        if values.size:
            return float(values.flat[0])
    return 0.0


def _checked(volume: Volume, inside: Inside | None) -> Inside | None:
    """Return which voxels of a volume count, after a check of both shapes."""
    if volume.ndim != 3:
        raise ValueError(f"expected a volume (z, y, x), found {volume.ndim} axes")
    if inside is not None and inside.shape != volume.shape:
        raise ValueError(f"expected inside of the volume's shape {volume.shape}, found {inside.shape}")
    return None if inside is None else mask_array(inside, volume.shape)
