"""Continuity of a volume along z, beside what it is within the slices.

A volume that is translated slice by slice from a rock without a preferred direction should change along z as it does
in-plane. Where it changes faster, neighbouring slices do not fit each other.

Volumes are (z, y, x), of any grey values. `inside` (z, y, x) says which voxels count; those outside the field of view,
which are 0, would otherwise pass for perfectly continuous rock. A pair of voxels counts if both do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Volume = NDArray[Any]
Inside = NDArray[np.bool_]

_NO_VARIANCE = 1e-12
"""Variances below this share of the mean square are rounding errors of a constant."""


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
        along_z, along_y, along_x = (
            tuple(autocorrelation(volume, axis, lag, inside) for lag in range(1, lags + 1)) for axis in range(3)
        )
        in_plane = tuple((y + x) / 2 for y, x in zip(along_y, along_x, strict=True))
        return cls(adjacent_difference(volume, inside), along_z, in_plane)

    def ratio_to(self, other: Continuity) -> float:
        """Return the difference as a multiple of another volume's; NaN where the other is constant along z.

        Beside the TXM it says how much the translation amplifies change along z: above 1 already where it raises the
        contrast, so compare it between models, and with the truth where that is known.
        """
        return self.difference / other.difference if other.difference > 0 else math.nan


def adjacent_difference(volume: Volume, inside: Inside | None = None) -> float:
    """Return the mean absolute difference of adjacent slices, the mean of |v(z + 1, y, x) - v(z, y, x)|.

    Args:
        volume: (z, y, x).
        inside: (z, y, x), which voxels count; None: all.

    Returns:
        In the grey levels of the volume; 0 for slices that are all equal, NaN where there are no pairs.
    """
    _check(volume, inside)
    total, pairs = 0.0, 0
    for one, other in _pairs(volume, inside, axis=0, lag=1):
        total += float(np.abs(other - one).sum())
        pairs += one.size
    return total / pairs if pairs else math.nan


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
    _check(volume, inside)
    shift = _any_of(volume, inside)
    count, sums = 0, np.zeros(5)
    for one, other in _pairs(volume, inside, axis, lag):
        # The correlation does not depend on the shift, but the rounding error of the sums does.
        v, w = one - shift, other - shift
        count += v.size
        sums += (v.sum(), w.sum(), (v * v).sum(), (v * w).sum(), (w * w).sum())
    if count == 0:
        return math.nan
    mean_v, mean_w, vv, vw, ww = (sums / count).tolist()
    variance_v, variance_w = vv - mean_v**2, ww - mean_w**2
    if variance_v <= _NO_VARIANCE * vv or variance_w <= _NO_VARIANCE * ww:
        return math.nan
    return float(np.clip((vw - mean_v * mean_w) / math.sqrt(variance_v * variance_w), -1, 1))


def _pairs(
    volume: Volume, inside: Inside | None, axis: int, lag: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the values of all pairs of voxels `lag` apart, slice by slice, so that memory stays that of a slice."""
    for z in range(len(volume) - lag if axis == 0 else len(volume)):
        if axis == 0:
            first = (z, slice(None), slice(None))
            second = (z + lag, slice(None), slice(None))
        else:
            near, far = slice(None, max(volume.shape[axis] - lag, 0)), slice(lag, None)
            first = (z, near, slice(None)) if axis == 1 else (z, slice(None), near)
            second = (z, far, slice(None)) if axis == 1 else (z, slice(None), far)
        one, other = volume[first], volume[second]
        if inside is None:
            yield one.astype(np.float64), other.astype(np.float64)
        else:
            both = inside[first] & inside[second]
            yield one[both].astype(np.float64), other[both].astype(np.float64)


def _any_of(volume: Volume, inside: Inside | None) -> float:
    """Return one of the grey values that count."""
    for z in range(len(volume)):
        values = volume[z] if inside is None else volume[z][inside[z]]
        if values.size:
            return float(values.flat[0])
    return 0.0


def _check(volume: Volume, inside: Inside | None) -> None:
    if volume.ndim != 3:
        raise ValueError(f"expected a volume (z, y, x), found {volume.ndim} axes")
    if inside is not None and inside.shape != volume.shape:
        raise ValueError(f"expected inside of the volume's shape {volume.shape}, found {inside.shape}")
