"""How the voxels of a phase are correlated along an axis, and over what length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from txm2sem.morphology.boxes import Region

Mask = NDArray[np.bool_]


def pairs(phase: Mask, valid: Mask, axis: int, longest: int, core: Region) -> NDArray[np.int64]:
    """Return how many pairs of voxels along an axis are both of a phase, and both valid, (2, longest + 1).

    The first divided by the second is the two-point probability S2(r): S2(0) is the phase's fraction f; without
    order at that distance, S2 is f^2 (Torquato 2002, Random Heterogeneous Materials, section 2.2). No pair reaches
    beyond the volume.

    Args:
        phase: (Z, Y, X): a box, and behind it along the axis `longest` more voxels, or as many as the volume has. Of
            voxels that are not valid it may say anything.
        valid: (Z, Y, X).
        axis: 0, 1 or 2 for pairs along z, y or x.
        longest: distance of a pair's voxels, from 0 to this [voxels].
        core: where the box lies in them. Pairs are counted whose first voxel is in it, so counts of the boxes of a
            volume add up to those of the volume.
    """
    side = core[axis]
    window = tuple(slice(side.start, side.stop + longest) if way == axis else core[way] for way in range(3))
    planes = side.stop - side.start
    counts = np.zeros((2, longest + 1), np.int64)
    for number, mask in enumerate((phase[window] & valid[window], valid[window])):
        words = _packed(mask, axis)
        for lag in range(longest + 1):
            second = words[lag : lag + planes]
            both = words[: len(second)] & second
            counts[number, lag] = np.bitwise_count(both).sum(dtype=np.int64)
    return counts


def _packed(mask: Mask, axis: int) -> NDArray[np.uint64]:
    """Return the planes across an axis, each a row of words with a bit a voxel, filled up with zeros."""
    packed = np.moveaxis(np.packbits(mask, axis=1 if axis == 2 else 2), axis, 0)
    octets = packed.reshape(len(packed), -1)
    words = np.zeros((len(octets), -(-octets.shape[1] // 8)), np.uint64)
    words.view(np.uint8)[:, : octets.shape[1]] = octets
    return words


def correlation_length(s2: NDArray[np.float64]) -> float:
    """Return the distance at which the voxels of a phase are correlated by 1 / e only [voxels].

    The correlation is the autocovariance (S2 - f^2) / (f - f^2) with the fraction f = S2(0). In a random medium in
    which it falls exponentially, this is the length of the exponential (Debye, Anderson and Brumberger 1957,
    https://doi.org/10.1063/1.1722830). Between whole distances it is interpolated linearly.

    Args:
        s2: two-point probability at 0, 1, ... voxels.

    Returns:
        The first such distance; not a number where the correlation does not fall that far, or the phase is absent or
        everywhere.
    """
    fraction = s2[0]
    if not 0 < fraction < 1:
        return float("nan")
    correlation = (s2 - fraction**2) / (fraction - fraction**2)
    below = np.flatnonzero(correlation <= np.exp(-1))
    if not below.size:
        return float("nan")
    near, far = correlation[below[0] - 1], correlation[below[0]]
    return float(below[0] - 1 + (near - np.exp(-1)) / (near - far))
