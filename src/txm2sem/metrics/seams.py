"""Visible borders of the tiles that images were predicted in.

Grey values change across a border between two tiles as anywhere else, unless the two predictions differ there. So the
steps across borders are compared with those across lines nearby, which cross the same rock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PHASE = 8
"""The lines that a border is compared with are multiples of this away from it [pixels], so that the checkerboards of
networks that upsample by 2, 4 or 8 have the same step there."""

NEARBY = 4
"""As many lines on either side of a border are compared with it."""


@dataclass(frozen=True, eq=False)
class SeamSums:
    """What the visibility of tile borders is computed from: sums over pixels along them, which add up over slices.

    The border b is between the rows (or columns) b - 1 and b, and has a step |v(b) - v(b - 1)| at each pixel along it.
    It is compared with the lines b ± 8, b ± 16, b ± 24 and b ± 32, those that are in the image and not borders
    themselves.

    Attributes:
        row_borders: the rows b, ascending.
        column_borders: the columns b, ascending.
        sums: (borders, 4) float64, rows before columns: the number of pixels along the border, the sum of their steps,
            and both for the lines that it is compared with.
    """

    row_borders: tuple[int, ...]
    column_borders: tuple[int, ...]
    sums: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        planes: NDArray[Any],
        row_borders: Sequence[int],
        column_borders: Sequence[int],
        inside: NDArray[np.bool_] | None = None,
    ) -> SeamSums:
        """Sum over slices, of which only the lines in question are read.

        Args:
            planes: (n, rows, columns), of any grey values.
            row_borders: where tiles begin, row 0 excepted.
            column_borders: the same for columns.
            inside: (n, rows, columns), which pixels count; a step does if the pixels on both sides do. None: all.

        Raises:
            ValueError: a border is not within the image, or an array has the wrong shape.
        """
        if planes.ndim != 3:
            raise ValueError(f"expected planes (n, rows, columns), found {planes.ndim} axes")
        if inside is not None and inside.shape != planes.shape:
            raise ValueError(f"expected inside of the planes' shape {planes.shape}, found {inside.shape}")
        rows, columns = (tuple(sorted(set(borders))) for borders in (row_borders, column_borders))
        across = None if inside is None else inside.swapaxes(1, 2)
        sums = [*_sums_at(planes, rows, inside), *_sums_at(planes.swapaxes(1, 2), columns, across)]
        return cls(rows, columns, np.array(sums, np.float64).reshape(-1, 4))

    def __add__(self, other: SeamSums) -> SeamSums:
        mine, others = ((sums.row_borders, sums.column_borders) for sums in (self, other))
        if mine != others:
            raise ValueError(f"expected sums at the same borders, found {mine} and {others}")
        return SeamSums(self.row_borders, self.column_borders, self.sums + other.sums)

    def to_plain(self) -> dict[str, Any]:
        """Return lists of numbers, for JSON; `from_plain` makes exactly the same sums of them."""
        return {
            "row_borders": list(self.row_borders),
            "column_borders": list(self.column_borders),
            "sums": self.sums.tolist(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SeamSums:
        """Return the sums that `to_plain` has written.

        Raises:
            ValueError: these are not such sums.
            KeyError: part of them is missing.
        """
        rows, columns = tuple(plain["row_borders"]), tuple(plain["column_borders"])
        sums = np.asarray(plain["sums"], np.float64).reshape(len(rows) + len(columns), 4)
        return cls(rows, columns, sums)

    @property
    def score(self) -> float:
        """The mean step at the borders over what it is nearby: 1 where borders are invisible, above 1 where not.

        Nearby is the mean of each border's surroundings, weighted with the border's pixels. NaN without borders, or
        where nothing nearby changes.
        """
        steps, expected = self._steps_and_expected()
        return float(steps.sum() / expected.sum()) if expected.any() else math.nan

    @property
    def standard_error(self) -> float:
        """That of the score, from the differences between the borders, which count as independent.

        The error of a ratio of sums: Cochran, Sampling Techniques, 1977, section 6.4. NaN with fewer than two borders,
        or without a score.
        """
        steps, expected = self._steps_and_expected()
        if len(steps) < 2 or not expected.any():
            return math.nan
        deviations = steps - self.score * expected
        variance = len(steps) / (len(steps) - 1) * float(deviations @ deviations)
        return math.sqrt(variance) / float(expected.sum())

    def _steps_and_expected(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the sum of steps at each border, and what it would be if they were as nearby."""
        pixels, steps, pixels_nearby, steps_nearby = self.sums[(self.sums[:, [0, 2]] > 0).all(axis=1)].T
        return steps, pixels * steps_nearby / pixels_nearby


def _sums_at(
    planes: NDArray[Any], borders: tuple[int, ...], inside: NDArray[np.bool_] | None
) -> list[tuple[float, float, float, float]]:
    """Return the sums at each border between lines (n, lines, pixels along them), see `SeamSums`."""
    lines = planes.shape[1]
    outside = [border for border in borders if not 0 < border < lines]
    if outside:
        raise ValueError(f"expected borders from 1 to {lines - 1}, found {outside}")

    def steps_at(line: int) -> tuple[float, float]:
        steps = np.abs(np.subtract(planes[:, line], planes[:, line - 1], dtype=np.float64))
        if inside is not None:
            steps = steps[inside[:, line] & inside[:, line - 1]]
        return steps.size, float(steps.sum())

    sums = []
    for border in borders:
        pixels_nearby = steps_nearby = 0.0
        for line in range(border - NEARBY * PHASE, border + NEARBY * PHASE + 1, PHASE):
            if 0 < line < lines and line not in borders:
                pixels, steps = steps_at(line)
                pixels_nearby += pixels
                steps_nearby += steps
        sums.append((*steps_at(border), pixels_nearby, steps_nearby))
    return sums
