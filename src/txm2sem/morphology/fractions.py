"""How much there is of a phase, and how well a volume tells it of its rock: from counts in small cells.

Counts of boxes lie side by side, as boxes begin at cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from txm2sem.morphology.boxes import Region, Shape

CELL = 16
"""Side of a cell [voxels]."""

FEWEST_BLOCKS = 8
"""An error is taken from as many blocks, or more."""

Counts = NDArray[np.float64]


def cells_of(shape: Shape) -> Shape:
    """Return how many cells a volume has along (z, y, x); those at the far ends may be smaller."""
    z, y, x = (-(-side // CELL) for side in shape)
    return z, y, x


def count_cells(values: NDArray[np.generic]) -> Counts:
    """Return the sums of values (z, y, x) over cells, the first of which begins at the first voxel."""
    sums = values
    for axis in range(3):
        dtype = np.float64 if values.dtype.kind == "f" else np.int64
        sums = np.add.reduceat(sums, range(0, sums.shape[axis], CELL), axis=axis, dtype=dtype)
    return sums.astype(np.float64)


@dataclass(frozen=True)
class SamplingError:
    """How far the fraction in a volume may be from that of its rock.

    Attributes:
        standard_error: of the fraction; not a number where there are too few blocks.
        blocks: that it was taken from.
    """

    standard_error: float
    blocks: int

    def margin(self, level: float, others: float = 0.0) -> float:
        """Return half the width of an interval; not a number where there are too few blocks.

        Args:
            level: share of such intervals that hold the truth, such as 0.9.
            others: standard error from other causes, which are independent.
        """
        if self.blocks < FEWEST_BLOCKS:
            return math.nan
        return float(student.ppf((1 + level) / 2, self.blocks - 1)) * math.hypot(self.standard_error, others)


def sampling_error(phase: Counts, valid: Counts) -> SamplingError:
    """Return how well a volume tells the fraction of a phase, taken for a part of a larger rock.

    Neighbouring voxels are alike, so whole blocks are compared: the standard error of the ratio of sums, with blocks of
    1, 2, 4 ... cells a side, as long as there are `FEWEST_BLOCKS` of them. It grows with the blocks until they are
    longer than what is alike in the rock, along any axis; the largest of them is taken (Kunsch 1989,
    https://doi.org/10.1214/aos/1176347265, for blocks; Cochran 1977, Sampling Techniques, eq. 6.13, for ratios). Where
    a volume is only some five times as long as what is alike in it, 90 % intervals hold the truth in 80 to 85 %.

    Args:
        phase: voxels of the phase in each cell, or sums of its probability, (cells along z, y, x).
        valid: voxels in each cell that were imaged.
    """
    total = valid.sum()
    if not total:
        return SamplingError(math.nan, 0)
    differences, weights = phase - phase.sum() / total * valid, valid
    found: list[SamplingError] = []
    while True:
        count = int(np.count_nonzero(weights))
        if count < FEWEST_BLOCKS:
            break
        error = math.sqrt(count / (count - 1) * float((differences**2).sum())) / float(total)
        found.append(SamplingError(error, count))
        if max(differences.shape) == 1:
            break
        differences, weights = _doubled(differences), _doubled(weights)
    return max(found, key=lambda one: one.standard_error, default=SamplingError(math.nan, 0))


def representative(phases: list[Counts], valid: Counts, side: int, shape: Shape) -> Region:
    """Return the part of a volume whose fractions are most like those of the whole.

    Of all parts that begin at cells, as large as asked for, those with the largest share of imaged voxels count, within
    a hundredth; of these the one whose fractions differ least: squares, in units of the variance of a voxel, summed.

    Args:
        phases: voxels of each phase in each cell.
        valid: voxels in each cell that were imaged.
        side: of the part [voxels]; it is no longer than the volume.
        shape: of the volume.
    """
    cells = [min(max(side // CELL, 1), -(-length // CELL)) for length in shape]
    counted = _window_sums(valid, cells)
    share = counted / counted.max() if counted.max() else counted
    unlike = np.zeros(share.shape)
    for phase in phases:
        whole = phase.sum() / max(valid.sum(), 1)
        fraction = np.divide(_window_sums(phase, cells), counted, out=np.zeros_like(share), where=counted > 0)
        unlike += (fraction - whole) ** 2 / max(whole * (1 - whole), 1e-12)
    unlike[share < 0.99] = np.inf
    first = np.unravel_index(int(unlike.argmin()), unlike.shape)
    z, y, x = (
        slice(int(start) * CELL, min(int(start) * CELL + min(side, length), length))
        for start, length in zip(first, shape, strict=True)
    )
    return z, y, x


def _doubled(values: Counts) -> Counts:
    """Return sums over 2 x 2 x 2 values; at odd ends, of those that there are."""
    for axis in range(3):
        values = np.add.reduceat(values, range(0, values.shape[axis], 2), axis=axis)
    return values


def _window_sums(values: Counts, sides: list[int]) -> Counts:
    """Return the sums over all windows of so many values a side."""
    for axis, side in enumerate(sides):
        sums = np.insert(np.cumsum(values, axis), 0, 0, axis)
        after = sums.take(range(side, sums.shape[axis]), axis)
        values = after - sums.take(range(after.shape[axis]), axis)
    return values
